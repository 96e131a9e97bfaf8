"""Percent sliders that always sum to 100, and the targets a visitor can start from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from fairness_core.metrics import wilson_interval
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import ASSETS, Attribute, TargetDistribution, load_attributes
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.labour_statistics import LabourShare
from fairness_core.settings.ratios import TargetError

WHOLE = 100
CUSTOM, AS_IT_IS, LABOUR = "Custom", "As the model is", "Labour statistics"


@dataclass(frozen=True)
class TargetPreset:
    """A target with who chose it and why. percents: attribute -> class -> percent; other attributes are free.

    details: what it rests on, a line each.
    """

    label: str
    percents: dict[str, dict[str, int]]
    chosen_by: str
    why: str
    details: tuple[str, ...] = ()


@cache
def target_presets(path: Path = ASSETS / "targets.yaml") -> tuple[TargetPreset, ...]:
    """The targets of a file, in its order. Raises TargetError for one that cannot be used."""
    presets = tuple(TargetPreset(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8")))
    for preset in presets:
        marginals(preset.percents)
    return presets


def largest_remainder(shares: Sequence[float], total: int = WHOLE) -> list[int]:
    """Integers proportional to non-negative `shares` that sum to exactly `total`.

    The units left over by rounding down go to the largest remainders, ties to the first.
    Shares that are all zero are taken as equal. Raises TargetError for a negative share.
    """
    shares = np.asarray(shares, float)
    if (shares < 0).any() or not np.isfinite(shares).all():
        raise TargetError("Shares must be finite and not negative.")
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
    others = [min(max(p or 0, 0), WHOLE) for i, p in enumerate(percents) if i != moved]
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


def measured_preset(images: Sequence[ImageSet], where: str) -> TargetPreset:
    """What a model paints as it is, as a target for every attribute: a control that should change nothing.

    images: of the original model, a set a prompt; where: where they come from, in words.
    Raises TargetError when no face was found.
    """
    faces = sum(int(s.found.sum()) for s in images)
    if not faces:
        raise TargetError("No face was found in the pictures of the original model: there is nothing to measure.")
    percents, told = {}, []
    for name, attribute in load_attributes().items():
        labels = np.concatenate([s.labels(name) for s in images])
        counts = np.bincount(labels, minlength=len(attribute.classes))
        percents[name] = dict(zip(attribute.class_names, largest_remainder(counts)))
        intervals = [wilson_interval(n, faces) for n in counts]
        told.append(", ".join(f"{c.label} {WHOLE * n / faces:.0f} % [{WHOLE * low:.0f}, {WHOLE * high:.0f}]"
                              for c, n, (low, high) in zip(attribute.classes, counts, intervals)))
    return TargetPreset(AS_IT_IS, percents, "nobody: it is what the model paints", (
        f"as a control, for nothing should change. Measured on {faces} faces in {where}: {'; '.join(told)} "
        "(95 % intervals in brackets)"))


def labour_preset(concepts: Sequence[str], statistics: dict[str, LabourShare]) -> TargetPreset:
    """Each occupation's own share of women; the sliders show their mean. Raises TargetError when none is known."""
    rows = {c: statistics[c] for c in concepts if c in statistics}
    known = list(rows.values())
    if not known:
        raise TargetError("None of the chosen concepts is in the labour statistics: choose occupations.")
    women = round(WHOLE * sum(share.women for share in known) / len(known))
    left_out = [c for c in concepts if c not in statistics]
    sources = "; ".join(dict.fromkeys(f"{share.source} ({share.year}), {share.url}" for share in known))
    rounded = sum(share.approximate for share in known)
    why = (f"so that each occupation is seen as it is staffed: every one of {len(known)} has its own share of women "
           f"({WHOLE * min(s.women for s in known):.0f} to {WHOLE * max(s.women for s in known):.0f} %, "
           f"{women} % on average). Source: {sources}")
    why += f". {rounded} of these figures are approximate: check them before you rely on one" if rounded else ""
    why += f". Not in the statistics, so no longer chosen: {', '.join(left_out)}" if left_out else ""
    return TargetPreset(LABOUR, {"gender": {"female": women, "male": WHOLE - women}},
                        "nobody: it is who works in each occupation", why, tuple(map(labour_line, rows, known)))


def labour_line(concept: str, share: LabourShare) -> str:
    """ "chef: 23 % women (Chefs and head cooks, 2023; approximate)" """
    checked = "; approximate" if share.approximate else ""
    return f"{concept}: {WHOLE * share.women:.0f} % women ({share.occupation}, {share.year}{checked})"


def matching_preset(percents: dict[str, dict[str, int]]) -> TargetPreset | None:
    """The preset that these sliders amount to, if any."""
    return next((p for p in target_presets() if p.percents == percents), None)


def target_words(config: FinetuneConfig) -> str:
    """The target of a run as a phrase; empty without one."""
    if config.joint is None:
        return in_words(config.marginals, load_attributes())
    target = config.target()
    ratios = {a.name: dict(zip(a.class_names, target.marginal(a.name))) for a in target.attributes}
    return in_words(ratios, load_attributes()) + " (combinations set one by one)"


def in_words(ratios: dict[str, dict[str, float]], attributes: dict[str, Attribute]) -> str:
    """Ratios as a phrase: "Perceived gender: 50 % Female, 50 % Male"."""
    def phrase(name: str, classes: dict[str, float]) -> str:
        labels = {c.name: c.label for c in attributes[name].classes}
        shares = ", ".join(f"{WHOLE * r:.0f} % {labels[c]}" for c, r in classes.items())
        return f"{attributes[name].label}: {shares}"
    return "; ".join(phrase(n, c) for n, c in ratios.items() if n in attributes)
