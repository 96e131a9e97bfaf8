"""Frequencies, bias, distance to the target, their intervals, and what a perfect model scores by chance."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy import stats

RESAMPLES = 2000


def selection_rate(labels: np.ndarray, classes: int) -> np.ndarray:
    """Frequency of each class among labels [n], float [classes]. Raises ValueError for no labels."""
    if not len(labels):
        raise ValueError("No image with a face: frequencies need at least one.")
    return np.bincount(labels, minlength=classes) / len(labels)


def joint_labels(labels: Sequence[np.ndarray], classes: Sequence[int]) -> np.ndarray:
    """Labels of several attributes, each [n] -> index of the joint class [n], row-major in the order given."""
    return np.ravel_multi_index([np.asarray(one, dtype=int) for one in labels], tuple(classes))


@lru_cache(maxsize=4096)  # scipy takes a millisecond, and a page of figures asks for hundreds, often the same
def percent(ratio: float) -> str:
    """ "40 %", as every text says it."""
    return f"{100 * ratio:.0f} %"


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
