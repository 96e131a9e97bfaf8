"""Comparisons light enough to be handed on with the code: figures of all images, pictures of the first ones."""

from dataclasses import replace

import numpy as np

from fairness_core.results import SIMILARITIES, Baseline, ImageSet, PromptComparison

LIGHT_WEBP_QUALITY = 80  # a face of 128 pixels looks the same, in two thirds of the bytes
BASELINE_PICTURES = 8  # what words in the prompt do is seen in fewer
DIGITS, BOX_DIGITS = 4, 1  # of probabilities and similarities, and of pixels: more than is ever shown


def lightened(comparison: PromptComparison, pictures: int) -> PromptComparison:
    """The same with the pictures of the first `pictures` images alone, and with values rounded.

    Probabilities and similarities have 4 digits behind the point, boxes a tenth of a pixel. The class perceived in an
    image stays the same: where rounding would change it, the image's probabilities are kept as they are.
    """
    similarities = {name: np.round(getattr(comparison, name), DIGITS) for name in SIMILARITIES}
    if comparison.outside is not None:
        similarities["outside"] = np.round(comparison.outside, DIGITS)
    return replace(comparison, original=lightened_images(comparison.original, pictures),
                   tuned=lightened_images(comparison.tuned, pictures),
                   baseline=comparison.baseline and lightened_baseline(comparison.baseline, pictures), **similarities)


def lightened_baseline(baseline: Baseline, pictures: int) -> Baseline:
    similarities = {name: np.round(getattr(baseline, name), DIGITS) for name in ("clip_text", "clip_image", "dino", "outside")
                    if getattr(baseline, name) is not None}
    return replace(baseline, images=lightened_images(baseline.images, min(pictures, BASELINE_PICTURES)), **similarities)


def lightened_images(images: ImageSet, pictures: int) -> ImageSet:
    return replace(images, images=images.images[:pictures], boxes=np.round(images.boxes, BOX_DIGITS),
                   probabilities={name: rounded(p) for name, p in images.probabilities.items()})


def rounded(probabilities: np.ndarray) -> np.ndarray:
    """[n, classes] to 4 digits, but for rows whose most probable class that would change."""
    short = np.round(probabilities, DIGITS)
    same_class = short.argmax(-1) == probabilities.argmax(-1)
    return np.where(same_class[:, None], short, probabilities)
