"""What each way gives: the original, words in the prompt, the finetune; bias, distance, CLIP-T, likeness, diversity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.metrics import AttributeSummary, MeanOverPrompts, bootstrap_interval, summarise
from fairness_core.report.record import target_if_any
from fairness_core.report.table import has_baseline, image_sets
from fairness_core.results import PromptComparison
from fairness_core.settings.config import FinetuneConfig

WAYS = {"before": "Original", "baseline": "Words in the prompt", "after": "Finetuned"}
LIKENESS = {"clip_text": "CLIP-T, picture and prompt", "clip_image": "CLIP-I, likeness to the original",
            "dino": "DINO, likeness to the original"}
VALUES: dict[str, Callable[[PromptComparison, str], np.ndarray | None]] = {
    "before": lambda c, name: c.clip_text_original if name == "clip_text" else None,
    "after": lambda c, name: c.clip_text_tuned if name == "clip_text" else getattr(c, name),
    "baseline": lambda c, name: getattr(c.baseline, name)}


@dataclass(frozen=True)
class Figure:
    """A mean over prompts with its 95 % bootstrap interval; n: of how many prompts, or of how many images of the only
    one. low and high are None for a single value."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class SideRow:
    """One measure. attribute: "gender", "gender x race", or empty for one of the whole picture.

    figures: by a key of WAYS; None where it was not measured, or compares the original with itself. floor: what a
    perfect model scores with as many images, or None.
    """

    measure: str
    attribute: str
    figures: dict[str, Figure | None]
    floor: float | None = None


def side_rows(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> list[SideRow]:
    """Distance of every controlled attribute and of their joint classes, bias too where the target is parity (elsewhere it
    may grow while the target comes nearer), then what stays of the picture."""
    if not comparisons:
        return []
    target, rows = target_if_any(config), []
    names = [] if target is None else [*target.names, *([target.names] if len(target.names) > 1 else [])]
    for name in names:
        ratios = {c.prompt: own.joint if isinstance(name, tuple) else own.marginal(name)
                  for c in comparisons for own in [config.target(c.prompt)]}
        found = {when: summarise(sets, name, ratios) if any(s.found.any() for s in sets) else None
                 for when, sets in image_sets(comparisons).items()}
        at_parity = all(np.allclose(ratio, 1 / np.size(ratio), atol=1e-3) for ratio in ratios.values())
        for measure in ("distance", "bias") if at_parity else ("distance",):
            means = {when: summary and getattr(summary, measure) for when, summary in found.items()}
            figures = {when: means.get(when) and figure_of(means[when], found[when]) for when in WAYS}
            floor = next((mean.floor for when in ("after", "before") if (mean := means[when])), None)
            rows.append(SideRow(measure, name if isinstance(name, str) else " x ".join(name), figures, floor))
    ways = [way for way in WAYS if way != "baseline" or has_baseline(comparisons)]
    for name in LIKENESS:
        values = {way: [VALUES[way](c, name) for c in comparisons] for way in ways}
        rows.append(SideRow(name, "", {way: likeness(values.get(way, [None])) for way in WAYS}))
    return rows


def figure_of(mean: MeanOverPrompts, summary: AttributeSummary) -> Figure:
    prompts = len(summary.prompts)
    return Figure(mean.mean, mean.low, mean.high, prompts if prompts > 1 else summary.prompts[0].faces)


def likeness(values: Sequence[np.ndarray | None]) -> Figure | None:
    """Mean over prompts of each prompt's mean over images; the interval is over prompts, or of one prompt over images."""
    finite = [v[np.isfinite(v)] for v in (np.asarray(v, float) for v in values if v is not None)]
    finite = [v for v in finite if len(v)]
    if not finite:
        return None
    means = np.array([v.mean() for v in finite]) if len(finite) > 1 else finite[0]
    low, high = bootstrap_interval(means) if len(means) > 1 else (None, None)
    return Figure(float(means.mean()), low, high, len(means))


def left_alone(comparisons: Sequence[PromptComparison]) -> dict[str, list[str]]:
    """Why some prompts got no words -> these prompts."""
    found: dict[str, list[str]] = {}
    for c in comparisons:
        if c.baseline and c.baseline.left_alone:
            found.setdefault(c.baseline.left_alone, []).append(c.prompt)
    return found
