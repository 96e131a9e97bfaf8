"""Percent sliders that always sum to 100, and the targets a visitor can start from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.attributes import Attribute, TargetDistribution, TargetError

WHOLE = 100
CUSTOM = "Custom"


@dataclass(frozen=True)
class TargetPreset:
    """A target with who chose it and why. percents: attribute -> class -> percent; other attributes are free."""

    label: str
    percents: dict[str, dict[str, int]]
    chosen_by: str
    why: str


GENDER_PARITY = {"female": 50, "male": 50}
RACE_PARITY = {"wmelh": 25, "asian": 25, "black": 25, "indian": 25}
PUBLISHED = "the authors of the method (Shen et al., ICLR 2024)"
TARGET_PRESETS = (
    TargetPreset(
        "Gender parity", {"gender": GENDER_PARITY}, PUBLISHED,
        "both perceived genders equally often, whatever the concept: no occupation belongs to one of them"),
    TargetPreset(
        "Gender and race parity", {"gender": GENDER_PARITY, "race": RACE_PARITY}, PUBLISHED,
        "every combination of perceived gender and race equally often, so that no one is shown only in pairs"),
    TargetPreset(
        "Parity, 75 % young / 25 % old",
        {"gender": GENDER_PARITY, "race": RACE_PARITY, "age": {"young": 75, "old": 25}}, PUBLISHED,
        "to show that a target need not be equal shares: about one adult in four is perceived as old"),
    TargetPreset(
        "75 % young / 25 % old only", {"age": {"young": 75, "old": 25}}, PUBLISHED,
        "the age part of the target above alone: gender and race stay as the model paints them"),
)


def largest_remainder(shares: Sequence[float], total: int = WHOLE) -> list[int]:
    """Integers proportional to non-negative `shares` that sum to exactly `total`.

    The units left over by rounding down go to the largest remainders, ties to the first.
    Shares that are all zero are taken as equal. Raises ValueError for a negative share.
    """
    shares = np.asarray(shares, float)
    if (shares < 0).any() or not np.isfinite(shares).all():
        raise ValueError("Shares must be finite and not negative.")
    if shares.sum() == 0:
        shares = np.ones_like(shares)
    exact = shares / shares.sum() * total
    whole = np.floor(exact + 1e-9).astype(int)  # 33.999999999 is 34: the error of the division, not a remainder
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole.tolist()


def rebalance(percents: Sequence[float], moved: int) -> list[int]:
    """Keeps slider `moved` where it was put and shares the rest among the others in their old proportions.

    percents: at least two values in percent, the moved one already at its new place.
    The result is integers in [0, 100] that sum to 100.
    """
    kept = int(min(max(round(percents[moved] or 0), 0), WHOLE))
    others = [max(p or 0, 0) for i, p in enumerate(percents) if i != moved]
    result = largest_remainder(others, WHOLE - kept)
    result.insert(moved, kept)
    return result


def equal_percents(attribute: Attribute) -> dict[str, int]:
    """Every class as often as any other, in whole percent."""
    return dict(zip(attribute.class_names, largest_remainder([1] * len(attribute.classes))))


def marginals(percents: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Percent per attribute and class -> ratios that a FinetuneConfig takes.

    Raises TargetError, in words for people, when they cannot be used.
    """
    if not percents:
        raise TargetError("No attribute is controlled: switch on “control this” for at least one.")
    try:
        ratios = {name: {c: float(p) / WHOLE for c, p in classes.items()} for name, classes in percents.items()}
    except (TypeError, ValueError, AttributeError):
        raise TargetError('Targets must look like {"gender": {"female": 50, "male": 50}}, in percent.') from None
    TargetDistribution.from_marginals(ratios)
    return ratios


def matching_preset(percents: dict[str, dict[str, int]]) -> TargetPreset | None:
    """The preset that these sliders amount to, if any."""
    return next((p for p in TARGET_PRESETS if p.percents == percents), None)


def in_words(ratios: dict[str, dict[str, float]], attributes: dict[str, Attribute]) -> str:
    """Ratios as a phrase: "Perceived gender: 50 % Female, 50 % Male"."""
    def phrase(name: str, classes: dict[str, float]) -> str:
        labels = {c.name: c.label for c in attributes[name].classes}
        shares = ", ".join(f"{WHOLE * r:.0f} % {labels[c]}" for c, r in classes.items())
        return f"{attributes[name].label}: {shares}"
    return "; ".join(phrase(n, c) for n, c in ratios.items() if n in attributes)
