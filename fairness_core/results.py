"""What evaluation hands on: plain numpy, one record a prompt. Plots, galleries and reports read these."""

from dataclasses import dataclass, field, replace

import numpy as np

SIMILARITIES = ("clip_text_original", "clip_text_tuned", "clip_image", "dino")


@dataclass(frozen=True)
class ImageSet:
    """Images of one prompt by one model, and what the classifier perceives in them.

    numbers: the n image numbers (noise is a function of seed, prompt, number);
    images: uint8 [shown, h, w, 3], the pictures of the first `shown` of them: of all n, but in a run that was saved light;
    found: bool [n], whether a face was found; boxes: float [n, 4], left top right bottom in pixels,
    meaningful only where found; probabilities: attribute name -> float [n, classes], only where found.
    faces: unit vectors [n, width] that tell faces apart, only where found; answers: question -> str [n], which of its
    answers CLIP finds nearest (see settings.questions). None and empty where they were not measured.
    """

    prompt: str
    numbers: tuple[int, ...]
    images: np.ndarray
    found: np.ndarray
    boxes: np.ndarray
    probabilities: dict[str, np.ndarray]
    faces: np.ndarray | None = None
    answers: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def shown(self) -> int:
        """How many of the images, from the first on, can be shown. What is perceived is there for all of them."""
        return len(self.images)

    def labels(self, attribute: str) -> np.ndarray:
        """Perceived class index of each image with a face, int [faces]."""
        return self.probabilities[attribute][self.found].argmax(-1)


@dataclass(frozen=True)
class Baseline:
    """The original model and the same noises, with attribute words put into the prompt at random in the target's ratio.

    prompts: what each of the n images was painted from; left_alone: why no words were put in, or empty. images: under
    the plain prompt. clip_text: cosine with the plain prompt [n]; clip_image, dino: with the original [n]; outside: the
    same as a PromptComparison's.
    """

    prompts: tuple[str, ...]
    left_alone: str
    images: ImageSet
    clip_text: np.ndarray
    clip_image: np.ndarray
    dino: np.ndarray
    outside: np.ndarray | None = None


@dataclass(frozen=True)
class PromptComparison:
    """The same prompt and noises before and after.

    clip_text_*: prompt-image cosine [n]; clip_image, dino: original-tuned cosine [n].
    held_out: the prompt's concept was not finetuned on. baseline: what words in the prompt do instead; outside: DINO
    cosine [n] of original and tuned with both faces covered. None where that was not measured.
    """

    prompt: str
    held_out: bool
    original: ImageSet
    tuned: ImageSet
    clip_text_original: np.ndarray
    clip_text_tuned: np.ndarray
    clip_image: np.ndarray
    dino: np.ndarray
    baseline: Baseline | None = None
    outside: np.ndarray | None = None


def joined(earlier: PromptComparison, later: PromptComparison) -> PromptComparison:
    """One prompt's comparison with more images behind those it had. Raises ValueError for another prompt.

    Pictures stay those of the first images: where some are missing already, the later ones are left out. What one of
    the two lacks, the whole lacks: a figure is of all images or of none.
    """
    if earlier.prompt != later.prompt:
        raise ValueError(f"Images of {later.prompt!r} cannot continue those of {earlier.prompt!r}.")
    arrays = {name: np.concatenate([getattr(earlier, name), getattr(later, name)]) for name in SIMILARITIES}
    return replace(earlier, original=joined_images(earlier.original, later.original),
                   tuned=joined_images(earlier.tuned, later.tuned), outside=both(earlier.outside, later.outside),
                   baseline=None, **arrays)


def both(earlier: np.ndarray | None, later: np.ndarray | None) -> np.ndarray | None:
    return None if earlier is None or later is None else np.concatenate([earlier, later])


def joined_images(earlier: ImageSet, later: ImageSet) -> ImageSet:
    arrays = {name: np.concatenate([getattr(earlier, name), getattr(later, name)]) for name in ("found", "boxes")}
    if earlier.shown == len(earlier.numbers):
        arrays["images"] = np.concatenate([earlier.images, later.images])
    probabilities = {name: np.concatenate([p, later.probabilities[name]]) for name, p in earlier.probabilities.items()}
    answers = {name: np.concatenate([a, later.answers[name]]) for name, a in earlier.answers.items() if name in later.answers}
    return replace(earlier, numbers=earlier.numbers + later.numbers, probabilities=probabilities, answers=answers,
                   faces=both(earlier.faces, later.faces), **arrays)
