"""Which bias was planted in the captions, and which comes out."""

import numpy as np

from fairness_core.metrics import sampling_floor
from mini_world.measure.judging import Judged
from mini_world.portraits import CLASSES, Portraits

Shares = dict[str, dict[str, list[float]]]  # concept -> attribute -> share of each class


def planted_shares(portraits: Portraits) -> Shares:
    """Of the portraits whose captions never name who is shown."""
    shares: Shares = {}
    for concept in sorted({row["concept"] for row in portraits.rows}):
        rows = [row for row in portraits.rows if row["concept"] == concept and row["biased"]]
        shares[concept] = {name: [sum(row[name] == c for row in rows) / len(rows) for c in classes]
                           for name, classes in CLASSES.items()}
    return shares


def generated_counts(sets: dict[str, Judged]) -> dict[str, dict[str, list[int]]]:
    """concept -> attribute -> pictures perceived as each class."""
    return {concept: {name: np.bincount(judged.labels(name), minlength=len(classes)).tolist()
                      for name, classes in CLASSES.items()} for concept, judged in sets.items()}


def planted_errors(planted: Shares, counts: dict[str, dict[str, list[int]]]) -> dict[str, dict[str, float]]:
    """Mean absolute difference of shares over classes and concepts, beside what chance alone gives so many pictures."""
    errors = {}
    for name, classes in CLASSES.items():
        seen = {concept: np.array(of[name]) for concept, of in counts.items() if sum(of[name])}
        found = [np.abs(c / c.sum() - planted[concept][name]).mean() for concept, c in seen.items()]
        floor = [2 * sampling_floor(np.array(planted[concept][name]), int(c.sum())) / len(classes)
                 for concept, c in seen.items()]
        errors[name] = {"error": round(float(np.mean(found)), 3), "floor": round(float(np.mean(floor)), 3)}
    return errors
