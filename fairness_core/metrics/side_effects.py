"""What else moved with a class: "changing race also changed the house" would be seen here.

Pictures of the same noises are paired. Those that came to a class are told beside those that had it before: what
changed in both is the finetune's doing in general, what changed only in the first came with the class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.metrics.measures import bootstrap_interval
from fairness_core.metrics.must_not_move import Proportion, proportion
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes


@dataclass(frozen=True)
class Mean:
    """Mean of n values with its 95 % bootstrap interval; None without values, without interval for one value."""

    n: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Gain:
    """An answer, and in how many of the pictures it was given before and after."""

    answer: str
    before: int
    after: int


@dataclass(frozen=True)
class Moved:
    """Of some pictures: how many of them have another answer to a question than their originals, which answer became
    more frequent by most, and the DINO cosine with the original outside the faces."""

    pictures: int
    changed: dict[str, Proportion]
    gained: dict[str, Gain | None]
    outside: Mean


@dataclass(frozen=True)
class ClassMoved:
    """Pictures whose face came to the class, and those whose face had it before and after."""

    attribute: str
    class_name: str
    came: Moved
    stayed: Moved


def side_effects(comparisons: Sequence[PromptComparison]) -> list[ClassMoved]:
    """Every class of every attribute; nothing where the answers were not asked for, as in older runs."""
    if not comparisons or any(not side.answers for c in comparisons for side in (c.original, c.tuned)):
        return []
    rows = []
    for name, attribute in load_attributes().items():
        for index, class_name in enumerate(attribute.class_names if name in comparisons[0].original.probabilities else ()):
            had, has = (np.concatenate([shows(getattr(c, side), name, index) for c in comparisons])
                        for side in ("original", "tuned"))
            face = np.concatenate([c.original.found for c in comparisons])
            rows.append(ClassMoved(name, class_name, moved(comparisons, has & face & ~had), moved(comparisons, has & had)))
    return rows


def shows(images: ImageSet, attribute: str, index: int) -> np.ndarray:
    """Whether a face is found and perceived as the class, bool [n]."""
    return images.found & (images.probabilities[attribute].argmax(-1) == index)


def moved(comparisons: Sequence[PromptComparison], chosen: np.ndarray) -> Moved:
    """chosen: bool, of the pictures of all comparisons one after the other."""
    changed, gained = {}, {}
    for question in comparisons[0].original.answers:
        before, after = (np.concatenate([getattr(c, side).answers[question] for c in comparisons])[chosen]
                         for side in ("original", "tuned"))
        changed[question], gained[question] = proportion((before != after).astype(float)), largest_gain(before, after)
    outside = [np.full(len(c.tuned.found), np.nan) if c.outside is None else c.outside for c in comparisons]
    return Moved(int(chosen.sum()), changed, gained, mean_of(np.concatenate(outside)[chosen]))


def largest_gain(before: np.ndarray, after: np.ndarray) -> Gain | None:
    """None where no answer is more frequent than before."""
    gains = [Gain(str(answer), int((before == answer).sum()), int((after == answer).sum())) for answer in np.unique(after)]
    most = max(gains, key=lambda gain: gain.after - gain.before, default=None)
    return most if most and most.after > most.before else None


def mean_of(values: np.ndarray) -> Mean:
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return Mean(len(values), float(values[0]) if len(values) else None)
    return Mean(len(values), float(values.mean()), *bootstrap_interval(values))
