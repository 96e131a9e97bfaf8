"""Sets of images, one a prompt -> measures of every prompt and their mean over prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.errors import UserError
from fairness_core.metrics.measures import (RESAMPLES, bias, bootstrap_interval, distance_to_target, joint_labels,
                                            sampling_floor, selection_rate, wilson_interval)
from fairness_core.results import ImageSet


@dataclass(frozen=True)
class PromptSummary:
    """One prompt's images with a face.

    counts: int [classes]; frequencies, low, high: float [classes], Wilson interval; bias, distance in [0, 1]
    (distance is None without a target); images: how many were generated; faces: in how many a face was found;
    reference: float [classes], the prompt's target, or parity without one: what the floor is of.
    """

    prompt: str
    images: int
    counts: np.ndarray
    frequencies: np.ndarray
    low: np.ndarray
    high: np.ndarray
    bias: float
    distance: float | None
    reference: np.ndarray

    @property
    def faces(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True)
class MeanOverPrompts:
    """Mean and standard deviation over prompts, a bootstrap interval of the mean, and a perfect model's mean."""

    mean: float
    std: float
    low: float
    high: float
    floor: float


@dataclass(frozen=True)
class AttributeSummary:
    """attribute: its name, or "gender x race" for a joint one; without_face: prompts that could not be measured."""

    attribute: str
    prompts: tuple[PromptSummary, ...]
    without_face: tuple[str, ...]
    bias: MeanOverPrompts
    distance: MeanOverPrompts | None

    @property
    def counts(self) -> np.ndarray:
        """int [prompts, classes], what `verdict` takes."""
        return np.stack([p.counts for p in self.prompts])

    @property
    def references(self) -> np.ndarray:
        """Each prompt's target (parity without one), float [prompts, classes]; `verdict` takes it too."""
        return np.stack([p.reference for p in self.prompts])


def summarise(image_sets: Sequence[ImageSet], attribute: str | tuple[str, ...],
              target: np.ndarray | Mapping[str, np.ndarray] | None = None) -> AttributeSummary:
    """Measures one attribute, or the joint classes of several, in one set of images a prompt.

    target: its distribution [classes] (joint: in the order of `attribute`, any shape), or one for each prompt, by
    prompt; without it, parity is the reference of the floor and there is no distance.
    Raises UserError when no image has a face.
    """
    names = (attribute,) if isinstance(attribute, str) else tuple(attribute)
    prompts = tuple(summarise_prompt(s, names, target[s.prompt] if isinstance(target, Mapping) else target)
                    for s in image_sets if s.found.any())
    if not prompts:
        raise UserError("No face was found in any image: there is nothing to measure. "
                        "Check the prompts or the strength.")
    return AttributeSummary(
        " x ".join(names), prompts, tuple(s.prompt for s in image_sets if not s.found.any()),
        mean_over_prompts(prompts, "bias"), None if target is None else mean_over_prompts(prompts, "distance"))


def summarise_prompt(images: ImageSet, names: tuple[str, ...], target: np.ndarray | None) -> PromptSummary:
    classes = [images.probabilities[name].shape[-1] for name in names]
    labels = joint_labels([images.labels(name) for name in names], classes)
    frequencies = selection_rate(labels, int(np.prod(classes)))
    counts = np.bincount(labels, minlength=len(frequencies))
    intervals = np.array([wilson_interval(count, len(labels)) for count in counts])
    reference = np.full(len(counts), 1 / len(counts)) if target is None else np.ravel(target)
    return PromptSummary(
        images.prompt, len(images.found), counts, frequencies, intervals[:, 0], intervals[:, 1], bias(frequencies),
        None if target is None else distance_to_target(frequencies, target), reference)


def mean_over_prompts(prompts: Sequence[PromptSummary], measure: str) -> MeanOverPrompts:
    """measure: "bias" or "distance". One prompt alone has no spread over prompts: its images are resampled."""
    values = np.array([getattr(p, measure) for p in prompts])
    if len(values) > 1:
        low, high = bootstrap_interval(values)
    else:
        low, high = resampled_images(prompts[0], measure, prompts[0].reference)
    floor = np.mean([sampling_floor(p.reference, p.faces, measure) for p in prompts])
    return MeanOverPrompts(float(values.mean()), float(values.std()), low, high, float(floor))


def resampled_images(prompt: PromptSummary, measure: str, reference: np.ndarray,
                     confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of one prompt's bias or distance, its images drawn again with replacement."""
    drawn = np.random.default_rng(seed).multinomial(prompt.faces, prompt.frequencies, RESAMPLES) / prompt.faces
    values = [bias(f) if measure == "bias" else distance_to_target(f, reference) for f in drawn]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
