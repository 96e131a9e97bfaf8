"""Is the target reached? The interval of the true distance decides, for any number of classes and prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from fairness_core.metrics.measures import distance_to_target, expected_distance, percent

BATCH, MOST_IMAGES = 8, 1024  # advice comes in batches, up to what anyone would generate
BISECTIONS = 20


@dataclass(frozen=True)
class Verdict:
    """status: "reached", "not yet" or "cannot tell"; images_needed: about how many more a prompt would tell, else 0.

    distance: as observed, mean over prompts; low, high: interval of the true one. All in [0, 1].
    """

    status: str
    images_needed: int
    sentence: str
    distance: float
    low: float
    high: float


@dataclass(frozen=True)
class DistanceInterval:
    distance: float
    low: float
    high: float

    def status(self, tolerance: float) -> str:
        if self.high <= tolerance:
            return "reached"
        return "not yet" if self.low > tolerance else "cannot tell"


def verdict(counts: np.ndarray, target: np.ndarray, tolerance: float = 0.1, confidence: float = 0.95) -> Verdict:
    """Is the distance to the target below the tolerance?

    counts: int [classes] of one prompt, or [prompts, classes]: then it is the mean distance over these prompts, so
    that opposite biases do not cancel. target: of any shape, for all prompts, or [prompts, classes].
    The rule: "reached" when the whole `distance_interval` lies below the tolerance, "not yet" when it lies above,
    else "cannot tell", with `images_to_tell`.
    """
    counts = np.atleast_2d(counts)
    target = np.broadcast_to(np.reshape(target, (-1, counts.shape[1])).astype(float), counts.shape)
    found = distance_interval(counts, target, confidence)
    status = found.status(tolerance)
    needed = images_to_tell(counts, target, tolerance, confidence) if status == "cannot tell" else 0
    figure = (f"{percent(found.distance)} of the images would have to change class "
              f"({100 * confidence:g} % interval {100 * found.low:.0f} to {percent(found.high)})")
    opening = {"reached": "target reached", "not yet": "not yet", "cannot tell": advice(counts, needed)}[status]
    return Verdict(status, needed, f"{opening}: {figure}", found.distance, found.low, found.high)


def advice(counts: np.ndarray, needed: int) -> str:
    seen = f"{int(counts.sum() // len(counts))} images{'' if len(counts) == 1 else ' a prompt'}"
    return f"cannot tell yet with {seen} ({more_images(needed)})"


def more_images(needed: int, painted: int | None = None) -> str:
    """Whether more images would tell: "about 16 more", or "even 1024 more may not tell".

    needed: images with a face, as of `images_to_tell`; painted: how many have to be painted for so many (None: as many).
    """
    count = needed if painted is None else painted
    return f"about {count} more" if needed < MOST_IMAGES else f"even {count} more may not tell"


def distance_interval(counts: np.ndarray, target: np.ndarray, confidence: float = 0.95) -> DistanceInterval:
    """The mean distance over prompts of counts to target, both [prompts, classes], and an interval of the true one.

    An observed distance exceeds the true one on average, by at most the distance that chance alone makes between the
    images and their own distribution (triangle inequality; the sampling floor where that is the target). So the upper
    end is the observed distance plus its standard error times z, and the lower end takes the floor off as well.
    Distributions are estimated with z^2 images spread over the classes added, as in Agresti and Coull's interval:
    frequencies of 0 and 1 are not taken as certain. Prompts without images do not count.
    """
    seen = counts.sum(1) > 0
    counts, target = counts[seen], np.broadcast_to(target, counts.shape)[seen]
    if not len(counts):
        return DistanceInterval(0.0, 0.0, 1.0)
    z, n = stats.norm.ppf((1 + confidence) / 2), counts.sum(1)
    smoothed = (counts + z**2 / counts.shape[1]) / (n[:, None] + z**2)
    observed = np.mean([distance_to_target(c / c.sum(), t) for c, t in zip(counts, target, strict=True)])
    return interval_around(float(observed), smoothed, n, z)


def interval_around(observed: float, distributions: np.ndarray, n: np.ndarray, z: float) -> DistanceInterval:
    """distributions [prompts, classes] and n [prompts] give the floor and the standard error.

    A distance is the excess frequency of some set of classes; the variance of the set nearest to one half bounds it.
    """
    likeliest = np.maximum(distributions.max(1), 0.5)
    error = np.sqrt((likeliest * (1 - likeliest) / n).sum()) / len(n)
    floor = mean_expected_distance(distributions, distributions, n)
    return DistanceInterval(observed, max(observed - floor - z * error, 0.0), min(observed + z * error, 1.0))


def mean_expected_distance(distributions: np.ndarray, targets: np.ndarray, n: Sequence[int]) -> float:
    """Mean over prompts of the expected distance to targets [prompts, classes] of n [prompts] images each."""
    return float(np.mean([expected_distance(tuple(p.tolist()), tuple(t.tolist()), int(images))
                          for p, t, images in zip(distributions, targets, n, strict=True)]))


def images_to_tell(counts: np.ndarray, target: np.ndarray, tolerance: float, confidence: float) -> int:
    """About how many more images a prompt tell: the fewest, in batches of BATCH, up to MOST_IMAGES.

    The rule: were the true frequencies those of `likely_frequencies`, the interval around the distance to be expected
    then lies on one side of the tolerance.
    """
    frequencies, totals = likely_frequencies(counts, target), counts.sum(1)
    z = stats.norm.ppf((1 + confidence) / 2)

    def tells(batches: int) -> bool:
        n = totals + batches * BATCH
        expected = mean_expected_distance(frequencies, target, n)
        return interval_around(expected, frequencies, n, z).status(tolerance) != "cannot tell"

    most, enough = MOST_IMAGES // BATCH, 1
    while enough < most and not tells(enough):
        enough *= 2
    short = enough // 2
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if tells(middle) else (middle, enough)
    return enough * BATCH


def likely_frequencies(counts: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The observed frequencies [prompts, classes], drawn towards the target (the same shape) until as many images from
    them would be expected at the distance observed: chance alone puts observed frequencies further out."""
    totals = counts.sum(1)
    observed = np.where(totals[:, None] > 0, counts / np.maximum(totals, 1)[:, None], target)
    target, seen = np.broadcast_to(target, counts.shape), totals > 0
    if not seen.any():
        return observed
    distance = np.mean([distance_to_target(row, t) for row, t in zip(observed[seen], target[seen], strict=True)])
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        drawn = target + middle * (observed - target)
        further = mean_expected_distance(drawn[seen], target[seen], totals[seen]) > distance
        low, high = (low, middle) if further else (middle, high)
    return target + low * (observed - target)
