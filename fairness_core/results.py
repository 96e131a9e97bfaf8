"""What evaluation hands on: plain numpy, one record a prompt. Plots, galleries and reports read these."""

from dataclasses import dataclass, replace

import numpy as np

SIMILARITIES = ("clip_text_original", "clip_text_tuned", "clip_image", "dino")


@dataclass(frozen=True)
class ImageSet:
    """Images of one prompt by one model, and what the classifier perceives in them.

    numbers: the n image numbers (noise is a function of seed, prompt, number);
    images: uint8 [shown, h, w, 3], the pictures of the first `shown` of them: of all n, but in a run that was saved light;
    found: bool [n], whether a face was found; boxes: float [n, 4], left top right bottom in pixels,
    meaningful only where found; probabilities: attribute name -> float [n, classes], only where found.
    """

    prompt: str
    numbers: tuple[int, ...]
    images: np.ndarray
    found: np.ndarray
    boxes: np.ndarray
    probabilities: dict[str, np.ndarray]

    @property
    def shown(self) -> int:
        """How many of the images, from the first on, can be shown. What is perceived is there for all of them."""
        return len(self.images)

    def labels(self, attribute: str) -> np.ndarray:
        """Perceived class index of each image with a face, int [faces]."""
        return self.probabilities[attribute][self.found].argmax(-1)


@dataclass(frozen=True)
class PromptComparison:
    """The same prompt and noises before and after.

    clip_text_*: prompt-image cosine [n]; clip_image, dino: original-tuned cosine [n].
    held_out: the prompt's concept was not finetuned on.
    """

    prompt: str
    held_out: bool
    original: ImageSet
    tuned: ImageSet
    clip_text_original: np.ndarray
    clip_text_tuned: np.ndarray
    clip_image: np.ndarray
    dino: np.ndarray


def joined(earlier: PromptComparison, later: PromptComparison) -> PromptComparison:
    """One prompt's comparison with more images behind those it had. Raises ValueError for another prompt.

    Pictures stay those of the first images: where some are missing already, the later ones are left out.
    """
    if earlier.prompt != later.prompt:
        raise ValueError(f"Images of {later.prompt!r} cannot continue those of {earlier.prompt!r}.")
    arrays = {name: np.concatenate([getattr(earlier, name), getattr(later, name)]) for name in SIMILARITIES}
    return replace(earlier, original=joined_images(earlier.original, later.original),
                   tuned=joined_images(earlier.tuned, later.tuned), **arrays)


def joined_images(earlier: ImageSet, later: ImageSet) -> ImageSet:
    arrays = {name: np.concatenate([getattr(earlier, name), getattr(later, name)]) for name in ("found", "boxes")}
    if earlier.shown == len(earlier.numbers):
        arrays["images"] = np.concatenate([earlier.images, later.images])
    probabilities = {name: np.concatenate([p, later.probabilities[name]]) for name, p in earlier.probabilities.items()}
    return replace(earlier, numbers=earlier.numbers + later.numbers, probabilities=probabilities, **arrays)
