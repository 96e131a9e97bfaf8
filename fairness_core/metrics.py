"""How far a set of images is from its target, and how sure one can be. numpy and scipy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy import stats

from fairness_core.results import ImageSet

RESAMPLES = 2000
ROUNDING = 1e-9
BATCH, MOST_IMAGES = 8, 1024  # advice comes in batches, up to what anyone would generate


@dataclass(frozen=True)
class PromptSummary:
    """One prompt's images with a face.

    counts: int [classes]; frequencies, low, high: float [classes], Wilson interval; bias, distance in [0, 1]
    (distance is None without a target); images: how many were generated; faces: in how many a face was found.
    """

    prompt: str
    images: int
    counts: np.ndarray
    frequencies: np.ndarray
    low: np.ndarray
    high: np.ndarray
    bias: float
    distance: float | None

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


def selection_rate(labels: np.ndarray, classes: int) -> np.ndarray:
    """Frequency of each class among labels [n], float [classes]. Raises ValueError for no labels."""
    if not len(labels):
        raise ValueError("No image with a face: frequencies need at least one.")
    return np.bincount(labels, minlength=classes) / len(labels)


def joint_labels(labels: Sequence[np.ndarray], classes: Sequence[int]) -> np.ndarray:
    """Labels of several attributes, each [n] -> index of the joint class [n], row-major in the order given."""
    return np.ravel_multi_index([np.asarray(one, dtype=int) for one in labels], tuple(classes))


def wilson_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a frequency count / n. Raises ValueError unless n > 0."""
    interval = stats.binomtest(int(count), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def bias(frequencies: np.ndarray) -> float:
    """Mean over pairs of classes of the difference of their frequencies (paper, section 5). 0 is parity, 1 the worst
    for two classes; the largest possible is 2 / classes."""
    return float(np.mean([abs(a - b) for a, b in combinations(np.ravel(frequencies), 2)]))


def distance_to_target(frequencies: np.ndarray, target: np.ndarray) -> float:
    """Half the L1 distance, in [0, 1]: the share of images that would have to change class. 0 is fair."""
    return float(np.abs(np.ravel(frequencies) - np.ravel(target)).sum() / 2)


def sampling_floor(target: np.ndarray, n: int, measure: str = "distance") -> float:
    """Expected "distance" or "bias" of n images drawn from the target itself: what a perfect model scores.

    target: probabilities of any shape, summing to 1. Exact: both measures are sums of expectations over one
    class or one pair of classes, and these are binomial.
    """
    if measure not in ("distance", "bias"):
        raise ValueError(f"Unknown measure {measure!r}: choose distance or bias.")
    if n < 1:
        raise ValueError(f"The sampling floor of {n} images is not defined: there must be at least one.")
    ratios = tuple(np.ravel(target).astype(float).tolist())
    return expected_distance(ratios, ratios, n) if measure == "distance" else expected_bias(ratios, n)


@lru_cache(maxsize=4096)
def expected_distance(ratios: tuple[float, ...], target: tuple[float, ...], n: int) -> float:
    """Expected distance to `target` of n images drawn from `ratios`."""
    counts = np.arange(n + 1)[:, None]
    return float((stats.binom.pmf(counts, n, ratios) * np.abs(counts / n - target)).sum() / 2)


@lru_cache(maxsize=4096)
def expected_bias(ratios: tuple[float, ...], n: int) -> float:
    """Expected bias of n images drawn from `ratios`."""
    return float(np.mean([expected_difference(*sorted(pair), n) for pair in combinations(ratios, 2)]))


@lru_cache(maxsize=4096)
def expected_difference(first: float, second: float, n: int) -> float:
    """Expected |frequency - frequency| of two classes: their images number s (binomial), the first's x of s."""
    both = min(first + second, 1.0)
    if both == 0:
        return 0.0
    s = np.arange(n + 1)
    x = s[:, None]
    within = (stats.binom.pmf(x, s, first / both) * np.abs(2 * x - s)).sum(0)
    return float((stats.binom.pmf(s, n, both) * within).sum() / n)


def bootstrap_interval(values: np.ndarray, statistic=np.mean, confidence: float = 0.95,
                       seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of values [n]: one value a prompt, or one label an image.

    For the bias of one prompt's labels: statistic=lambda labels: bias(selection_rate(labels, classes)).
    Raises ValueError for fewer than 2 values.
    """
    if len(values) < 2:
        raise ValueError(f"An interval needs at least 2 values, not {len(values)}: add prompts or images.")
    found = stats.bootstrap((np.asarray(values),), statistic, vectorized=statistic is np.mean, method="percentile",
                            confidence_level=confidence, n_resamples=RESAMPLES,
                            random_state=np.random.default_rng(seed))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def summarise(image_sets: Sequence[ImageSet], attribute: str | tuple[str, ...],
              target: np.ndarray | None = None) -> AttributeSummary:
    """Measures one attribute, or the joint classes of several, in one set of images a prompt.

    target: its distribution [classes] (joint: in the order of `attribute`, any shape); without it, parity is the
    reference of the floor and there is no distance. Raises ValueError when no image has a face.
    """
    names = (attribute,) if isinstance(attribute, str) else tuple(attribute)
    prompts = tuple(summarise_prompt(s, names, target) for s in image_sets if s.found.any())
    if not prompts:
        raise ValueError("No face was found in any image: there is nothing to measure. Check the prompts or the strength.")
    classes = len(prompts[0].counts)
    reference = np.full(classes, 1 / classes) if target is None else target
    return AttributeSummary(
        " x ".join(names), prompts, tuple(s.prompt for s in image_sets if not s.found.any()),
        mean_over_prompts(prompts, "bias", reference),
        None if target is None else mean_over_prompts(prompts, "distance", reference))


def summarise_prompt(images: ImageSet, names: tuple[str, ...], target: np.ndarray | None) -> PromptSummary:
    classes = [images.probabilities[name].shape[-1] for name in names]
    labels = joint_labels([images.labels(name) for name in names], classes)
    frequencies = selection_rate(labels, int(np.prod(classes)))
    counts = np.bincount(labels, minlength=len(frequencies))
    intervals = np.array([wilson_interval(count, len(labels)) for count in counts])
    return PromptSummary(images.prompt, len(images.found), counts, frequencies, intervals[:, 0], intervals[:, 1],
                         bias(frequencies), None if target is None else distance_to_target(frequencies, target))


def mean_over_prompts(prompts: Sequence[PromptSummary], measure: str, reference: np.ndarray) -> MeanOverPrompts:
    """measure: "bias" or "distance". One prompt alone has no spread over prompts: its images are resampled."""
    values = np.array([getattr(p, measure) for p in prompts])
    if len(values) > 1:
        low, high = bootstrap_interval(values)
    else:
        low, high = resampled_images(prompts[0], measure, reference)
    floor = np.mean([sampling_floor(reference, p.faces, measure) for p in prompts])
    return MeanOverPrompts(float(values.mean()), float(values.std()), low, high, float(floor))


def resampled_images(prompt: PromptSummary, measure: str, reference: np.ndarray,
                     confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of one prompt's bias or distance, its images drawn again with replacement."""
    drawn = np.random.default_rng(seed).multinomial(prompt.faces, prompt.frequencies, RESAMPLES) / prompt.faces
    values = [bias(f) if measure == "bias" else distance_to_target(f, reference) for f in drawn]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Verdict:
    """status: "reached", "not yet" or "cannot tell"; images_needed: how many more (a prompt) would tell, else 0."""

    status: str
    images_needed: int
    sentence: str


def verdict(counts: np.ndarray, target: np.ndarray, tolerance: float = 0.1, confidence: float = 0.95) -> Verdict:
    """Is the distance to the target below the tolerance?

    counts: int [classes] of one prompt, or [prompts, classes]: then it is the mean distance over these prompts,
    so that opposite biases do not cancel. Tested against models exactly at the tolerance: "reached" ("not yet")
    when they would come as close (as far) as this with a probability of at most 1 - confidence.
    """
    target, counts = np.ravel(target), np.atleast_2d(counts)
    distance = mean_distance(counts, target)
    status = decide(counts, target, tolerance, confidence)
    images = "" if len(counts) == 1 else " a prompt"
    if status == "reached":
        return Verdict(status, 0, "target reached")
    if status == "not yet":
        return Verdict(status, 0, f"not yet: {100 * distance:.0f} % of the images would have to change")
    needed = images_to_tell(counts, target, tolerance, confidence)
    seen = int(counts.sum() // len(counts))
    return Verdict(status, needed, f"cannot tell with {seen} images{images}: generate {needed} more")


def mean_distance(counts: np.ndarray, target: np.ndarray) -> float:
    """Mean over prompts [prompts, classes] of the distance to the target; prompts without images do not count."""
    distances = [distance_to_target(c / c.sum(), target) for c in counts if c.sum()]
    return float(np.mean(distances)) if distances else 0.0


def decide(counts: np.ndarray, target: np.ndarray, tolerance: float, confidence: float) -> str:
    """The status of Verdict, for counts [prompts, classes]."""
    counts = counts[counts.sum(1) > 0]
    if not len(counts):
        return "cannot tell"
    rng, observed = np.random.default_rng(0), mean_distance(counts, target)
    simulated = np.zeros(RESAMPLES)
    for prompt in counts:
        n = int(prompt.sum())
        drawn = rng.multinomial(n, at_tolerance(prompt / n, target, tolerance), RESAMPLES) / n
        simulated += np.abs(drawn - target).sum(1) / 2 / len(counts)
    if (simulated <= observed + ROUNDING).mean() <= 1 - confidence:
        return "reached"
    return "not yet" if (simulated >= observed - ROUNDING).mean() <= 1 - confidence else "cannot tell"


def at_tolerance(frequencies: np.ndarray, target: np.ndarray, tolerance: float) -> np.ndarray:
    """The distribution at distance `tolerance` from the target, towards the class that is most over-represented."""
    excess = np.where(target < 1, frequencies - target, -np.inf)
    towards = np.eye(len(target))[excess.argmax()]
    step = min(tolerance / (1 - target[excess.argmax()]), 1.0)
    return (1 - step) * target + step * towards


def images_to_tell(counts: np.ndarray, target: np.ndarray, tolerance: float, confidence: float) -> int:
    """The fewest more images a prompt (in batches, up to MOST_IMAGES) that tell if the frequencies stay as they are."""
    totals = counts.sum(1, keepdims=True)
    frequencies = np.where(totals > 0, counts / np.maximum(totals, 1), target)

    def tells(batches: int) -> bool:
        grown = np.rint(frequencies * (totals + batches * BATCH)).astype(int)
        return decide(grown, target, tolerance, confidence) != "cannot tell"

    most, enough = MOST_IMAGES // BATCH, 1
    while enough < most and not tells(enough):
        enough *= 2
    short = enough // 2
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if tells(middle) else (middle, enough)
    return enough * BATCH
