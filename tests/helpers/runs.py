"""Settings and comparisons of a small run."""

import numpy as np

from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.config import FinetuneConfig

CONFIG = FinetuneConfig(prompts=("a photo of the face of a nurse, a person",),
                        marginals={"gender": {"female": 0.5, "male": 0.5}})


def portraits(n: int, seed: int, size: int = 32) -> np.ndarray:
    """Smooth pictures, which a lossy format keeps well."""
    ramp = np.linspace(0, 1, size)[None, :, None, None] + np.linspace(0, 1, size)[None, None, :, None]
    return (np.random.default_rng(seed).uniform(20, 120, (n, 1, 1, 3)) * ramp).astype(np.uint8)


def image_set(n: int, seed: int) -> ImageSet:
    rng = np.random.default_rng(seed)
    return ImageSet("a nurse", tuple(range(3, 3 + n)), portraits(n, seed), rng.random(n) < 0.8,
                    rng.random((n, 4)).astype(np.float32),
                    {"gender": rng.dirichlet([1, 1], n).astype(np.float32), "race": rng.dirichlet([1] * 4, n)})


def comparison(n: int = 5, seed: int = 0, held_out: bool = True) -> PromptComparison:
    rng = np.random.default_rng(seed)
    values = [rng.random(n).astype(np.float32) for _ in range(4)]
    return PromptComparison("a nurse", held_out, image_set(n, seed), image_set(n, seed + 1), *values)
