"""Runs side by side: how near to the target, and how like the original, with intervals both ways."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from fairness_core.errors import UserError
from fairness_core.metrics import summarise
from fairness_core.report.record import target_if_any
from fairness_core.report.sides import Figure, figure_of, likeness
from fairness_core.report.table import has_baseline
from fairness_core.report.text_tables import NOT_MEASURED, TextRow, TextTable
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.config import FinetuneConfig

MOST_RUNS = 6
ORIGINAL, WORDS, TUNED = "original", "words in the prompt", "finetuned"
MEASURES = ("distance", "clip_image", "dino", "clip_text")
SAME_NOTE = (
    "Distance to each run's own target (0: reached); CLIP-I and DINO: likeness to the original, same noise (1: the same); CLIP-T: "
    "picture and prompt. All with 95 % intervals, over prompts where there are several. Down and to the right is better.")


class SideBySideError(UserError):
    """Runs that cannot be set side by side; the message says what to do."""


@dataclass(frozen=True)
class Run:
    """A run to be set beside others. sweep: its comparisons by strength of the adapter, its own strength among them."""

    name: str
    config: FinetuneConfig
    sweep: Mapping[float, Sequence[PromptComparison]]

    @property
    def prompts(self) -> set[str]:
        """Those that were compared at every strength."""
        return set.intersection(*({c.prompt for c in comparisons} for comparisons in self.sweep.values())) if self.sweep else set()


@dataclass(frozen=True)
class Point:
    """One way of painting. strength: of the adapter, 0 for the original, None for words in the prompt.

    Figures are None where they were not measured, or the run does not control the attribute.
    """

    run: str
    way: str
    strength: float | None
    prompts: int
    images: int
    distance: Figure | None
    clip_image: Figure | None
    dino: Figure | None
    clip_text: Figure | None


def shared_prompts(runs: Sequence[Run]) -> set[str]:
    """The prompts that every run was compared on; none where they share none."""
    return set.intersection(*(run.prompts for run in runs)) if runs else set()


def attributes_of(runs: Sequence[Run]) -> list[str]:
    """What some run controls, those that most do first; of several attributes their joint classes, too."""
    names = [name for run in runs if (target := target_if_any(run.config)) for name in
             (*target.names, *([" x ".join(target.names)] if len(target.names) > 1 else []))]
    return sorted(dict.fromkeys(names), key=lambda name: -names.count(name))


def points(runs: Sequence[Run], attribute: str) -> list[Point]:
    """Every run's original, strengths in order, and words in the prompt where they were painted; on the prompts that all
    runs share, or each on its own where they share none.

    Raises SideBySideError for more than MOST_RUNS runs, or two of one name.
    """
    if len(runs) > MOST_RUNS:
        raise SideBySideError(f"{len(runs)} runs are too many to tell apart: choose at most {MOST_RUNS}.")
    if len({run.name for run in runs}) < len(runs):
        raise SideBySideError("A run is chosen twice: choose each once.")
    shared = shared_prompts(runs)
    return [point for run in runs for point in points_of(run, attribute, shared or run.prompts)]


def points_of(run: Run, attribute: str, prompts: set[str]) -> list[Point]:
    sweep = {strength: [c for c in run.sweep[strength] if c.prompt in prompts] for strength in sorted(run.sweep) if strength}
    first = next(iter(sweep.values()), None) or [c for c in run.sweep.get(0.0, ()) if c.prompt in prompts]
    if not first:
        return []
    found = [point(run, ORIGINAL, 0.0, [c.original for c in first], attribute, {
        "clip_text": likeness([c.clip_text_original for c in first])})]
    for strength, compared in sweep.items():
        found.append(point(run, TUNED, strength, [c.tuned for c in compared], attribute, {
            "clip_image": likeness([c.clip_image for c in compared]), "dino": likeness([c.dino for c in compared]),
            "clip_text": likeness([c.clip_text_tuned for c in compared])}))
    worded = next((compared for compared in sweep.values() if has_baseline(compared)), None)
    if worded:
        found.append(point(run, WORDS, None, [c.baseline.images for c in worded], attribute, {
            name: likeness([getattr(c.baseline, name) for c in worded]) for name in ("clip_image", "dino", "clip_text")}))
    return found


def point(run: Run, way: str, strength: float | None, sets: Sequence[ImageSet], attribute: str,
          measured: dict[str, Figure | None]) -> Point:
    """The original is like itself: 1, with no interval."""
    itself = Figure(1.0, None, None, len(sets))
    alike = {"clip_image": itself, "dino": itself} if way == ORIGINAL else {}
    return Point(run.name, way, strength, len(sets), sum(len(s.found) for s in sets), distance(run, sets, attribute),
                 **alike | measured)


def distance(run: Run, sets: Sequence[ImageSet], attribute: str) -> Figure | None:
    """To each prompt's target; None without a face, or where the run does not control the attribute."""
    names, target = tuple(attribute.split(" x ")), target_if_any(run.config)
    if target is None or not set(names) <= set(target.names) or not any(s.found.any() for s in sets):
        return None
    ratios = {s.prompt: run.config.target(s.prompt).part(names).joint for s in sets}
    summary = summarise(sets, names, ratios)
    return figure_of(summary.distance, summary)


def side_by_side_table(found: Sequence[Point]) -> TextTable:
    columns = ("Distance to the target", "CLIP-I", "DINO", "CLIP-T", "Prompts × images")
    return TextTable("Run", columns, tuple(TextRow(p.run, way_words(p), (
        *(told(getattr(p, name)) for name in MEASURES), (f"{p.prompts} × {p.images // max(p.prompts, 1)}", "")))
        for p in found), SAME_NOTE)


def way_words(point: Point) -> str:
    return f"strength {point.strength:g}" if point.way == TUNED else point.way


def told(figure: Figure | None) -> tuple[str, str]:
    if figure is None:
        return NOT_MEASURED, ""
    return f"{figure.value:.2f}", "" if figure.low is None else f"{figure.low:.2f} to {figure.high:.2f}"


def side_by_side_csv(found: Sequence[Point]) -> str:
    """A line a point; what was not measured is empty."""
    plain = [f.name for f in fields(Point) if f.name not in MEASURES]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*plain, *(name + part for name in MEASURES for part in ("", "_low", "_high"))])
    for one in found:
        figures = [getattr(one, name) for name in MEASURES]
        writer.writerow([*(getattr(one, name) for name in plain), *(
            getattr(figure, part, None) for figure in figures for part in ("value", "low", "high"))])
    return text.getvalue()
