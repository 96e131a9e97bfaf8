"""Do the faces of a class stay different from one another? After a finetune all women may be one woman."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

FEWEST_FACES = 3  # leaving one out must leave a pair
SIDES = {"before": lambda c: c.original, "after": lambda c: c.tuned, "baseline": lambda c: c.baseline and c.baseline.images}


@dataclass(frozen=True)
class Spread:
    """Mean cosine distance of two different faces of a class, in [0, 2], with its interval; 0: all are one face.

    faces: of how many. distance, low, high, error (standard error): None for fewer than FEWEST_FACES.
    """

    faces: int
    distance: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None


@dataclass(frozen=True)
class ClassDiversity:
    """Of one class of an attribute, over all prompts. baseline: None where none was painted.

    status: "less different", "more different", "no difference seen" or "cannot tell": whether the interval of after
    less before (as of two independent samples, which is wide rather than narrow) lies on one side of 0.
    """

    attribute: str
    class_name: str
    before: Spread
    after: Spread
    baseline: Spread | None
    status: str


def diversity(comparisons: Sequence[PromptComparison], confidence: float = 0.95) -> list[ClassDiversity]:
    """Every class of every attribute; nothing where the faces' features were not kept, as in older runs."""
    if not comparisons or any(side.faces is None for c in comparisons for side in (c.original, c.tuned)):
        return []
    perceived, rows = comparisons[0].original.probabilities, []
    has_baseline = all(c.baseline is not None and c.baseline.images.faces is not None for c in comparisons)
    for name, attribute in load_attributes().items():
        for index, class_name in enumerate(attribute.class_names if name in perceived else ()):
            spreads = {when: spread(faces_of([side(c) for c in comparisons], name, index), confidence)
                       for when, side in SIDES.items() if when != "baseline" or has_baseline}
            before, after = spreads["before"], spreads["after"]
            rows.append(ClassDiversity(name, class_name, before, after, spreads.get("baseline"),
                                       status(before, after, confidence)))
    return rows


def faces_of(image_sets: Sequence[ImageSet], attribute: str, index: int) -> np.ndarray:
    """Unit vectors [faces, width] of the faces perceived as the class, over all sets."""
    return np.concatenate([s.faces[s.found][s.labels(attribute) == index] for s in image_sets]).astype(float)


def spread(faces: np.ndarray, confidence: float = 0.95) -> Spread:
    """Mean of 1 - cosine over all pairs of faces [n, width], with the jackknife's interval.

    The mean over pairs does not depend on n, unlike the Vendi score, so few and many faces can be compared. Pairs share
    faces: leaving out one face at a time tells how far the mean depends on which were painted.
    """
    n = len(faces)
    if n < FEWEST_FACES:
        return Spread(n)
    distances = 1 - faces @ faces.T
    np.fill_diagonal(distances, 0)
    rows, total = distances.sum(1), distances.sum()
    left_out = (total - 2 * rows) / ((n - 1) * (n - 2))
    mean = total / (n * (n - 1))
    error = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    reach = stats.t.ppf((1 + confidence) / 2, n - 1) * error
    return Spread(n, float(mean), float(max(mean - reach, 0)), float(mean + reach), float(error))


def status(before: Spread, after: Spread, confidence: float = 0.95) -> str:
    if before.distance is None or after.distance is None:
        return "cannot tell"
    degrees = min(before.faces, after.faces) - 1
    reach = stats.t.ppf((1 + confidence) / 2, degrees) * np.hypot(before.error, after.error)
    change = after.distance - before.distance
    if abs(change) <= reach:
        return "no difference seen"
    return "more different" if change > 0 else "less different"
