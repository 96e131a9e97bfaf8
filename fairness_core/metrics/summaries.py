"""Sets of images, one a prompt -> measures of every prompt and their mean over prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.errors import UserError
from fairness_core.metrics.measures import (RESAMPLES, bias, bootstrap_interval, distance_to_target, joint_labels,
                                            sampling_floor, selection_rate, wilson_interval)
from fairness_core.metrics.verdicts import distance_interval
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
    """Mean and standard deviation over prompts, a 95 % interval of the mean, and a perfect model's mean.

    low, high: of a distance `distance_interval`, which decides the verdict too; of a bias the bootstrap over prompts.
    """

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
        mean_bias(prompts), None if target is None else mean_distance(prompts))


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


def mean_bias(prompts: Sequence[PromptSummary]) -> MeanOverPrompts:
    """With the bootstrap interval over prompts. One prompt alone has no spread over prompts: its images are resampled."""
    values = np.array([p.bias for p in prompts])
    low, high = bootstrap_interval(values) if len(values) > 1 else resampled_bias(prompts[0])
    return over_prompts(prompts, values, "bias", low, high)


def mean_distance(prompts: Sequence[PromptSummary]) -> MeanOverPrompts:
    """With the interval by which a verdict is reached: one figure has one interval, wherever it is told."""
    counts, references = np.stack([p.counts for p in prompts]), np.stack([p.reference for p in prompts])
    found = distance_interval(counts, references)
    return over_prompts(prompts, np.array([p.distance for p in prompts]), "distance", found.low, found.high)


def over_prompts(prompts: Sequence[PromptSummary], values: np.ndarray, measure: str, low: float,
                 high: float) -> MeanOverPrompts:
    """values: the measure of every prompt, [prompts]."""
    floor = np.mean([sampling_floor(p.reference, p.faces, measure) for p in prompts])
    return MeanOverPrompts(float(values.mean()), float(values.std()), low, high, float(floor))


def resampled_bias(prompt: PromptSummary, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of one prompt's bias, its images drawn again with replacement."""
    drawn = np.random.default_rng(seed).multinomial(prompt.faces, prompt.frequencies, RESAMPLES) / prompt.faces
    low, high = np.quantile([bias(f) for f in drawn], [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
