"""Tables in words, for the report and the page alike: what each way gives, how different faces are, what else moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairness_core.metrics import percent
from fairness_core.metrics.diversity import ClassDiversity, Spread, diversity
from fairness_core.metrics.must_not_move import Proportion
from fairness_core.metrics.side_effects import ClassMoved, Mean, Moved, side_effects
from fairness_core.plots import concept_name
from fairness_core.report.sides import LIKENESS, WAYS, Figure, SideRow, left_alone, side_rows
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig

NOT_MEASURED = "not measured"
BASELINE_NOTE = (
    "Words in the prompt: the same model and the same noises, without training; before the person in each prompt stand "
    "words such as “female” or “old Black”, drawn for each picture in the target's ratio. CLIP-T compares with the plain "
    "prompt. It has to be done for every prompt anew, and by whoever writes it.")
DIVERSITY_NOTE = (
    "Mean cosine distance between the features of two different faces of a class, over all prompts (0: all are one face), "
    "with a 95 % jackknife interval. If it falls, the class is painted more alike than before.")
SIDE_EFFECTS_NOTE = (
    "Pictures of the same noises before and after, by what is perceived after. “Came to it” had another class before, “had "
    "it before” did not: what is more frequent in the first came along with the class. Answers are CLIP's nearest, which "
    "errs; “outside” is the DINO likeness to the original with both faces covered (1: the same).")


@dataclass(frozen=True)
class TextRow:
    """cells: text, and what stands below in small print."""

    label: str
    small: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TextTable:
    """first: heads the labels; columns: the cells."""

    first: str
    columns: tuple[str, ...]
    rows: tuple[TextRow, ...]
    note: str

    def plain(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows, small print in brackets."""
        return [self.first, *self.columns], [
            [row.label + bracketed(row.small), *(text + bracketed(small) for text, small in row.cells)] for row in self.rows]


def tables_in_words(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> dict[str, TextTable | None]:
    """title -> table, None for what was not measured."""
    sides = sides_table(side_rows(comparisons, config))
    if sides and (alone := left_alone_words(left_alone(comparisons))):
        sides = replace(sides, note=f"{sides.note} {alone}")
    return {"What each gives": sides, "Do faces of a class stay different?": diversity_table(diversity(comparisons)),
            "What else moved": side_effects_table(side_effects(comparisons))}


def bracketed(small: str) -> str:
    return f" [{small}]" if small else ""


def sides_table(rows: Sequence[SideRow]) -> TextTable | None:
    """None without rows."""
    if not rows:
        return None
    return TextTable("Measure", tuple(WAYS.values()), tuple(
        TextRow(measure_label(row), "" if row.floor is None else f"floor {row.floor:.2f}",
                tuple(figure_words(row, way) for way in WAYS)) for row in rows), BASELINE_NOTE)


def measure_label(row: SideRow) -> str:
    return LIKENESS.get(row.measure) or f"{attribute_label(row.attribute)}: {row.measure}"


def figure_words(row: SideRow, way: str) -> tuple[str, str]:
    figure: Figure | None = row.figures[way]
    if figure is None:
        itself = way == "before" and row.measure in ("clip_image", "dino")
        return ("1", "itself") if itself else (NOT_MEASURED, "")
    return f"{figure.value:.2f}", "" if figure.low is None else f"{figure.low:.2f} to {figure.high:.2f}"


def attribute_label(name: str) -> str:
    """ "Perceived gender × race" of "gender x race"."""
    known = load_attributes()
    first, *others = name.split(" x ")
    return " × ".join([known[first].label] + [known[o].label.removeprefix("Perceived ") for o in others])


def left_alone_words(reasons: dict[str, list[str]]) -> str:
    """Which prompts got no words, and why; empty where all did."""
    return " ".join(f"Left alone, for {reason}: {', '.join(f'“{concept_name(p)}”' for p in prompts)}."
                    for reason, prompts in reasons.items())


def diversity_table(rows: Sequence[ClassDiversity]) -> TextTable | None:
    """None where it was not measured."""
    if not rows:
        return None
    has_words = any(row.baseline for row in rows)
    columns = ("Original", *(["Words in the prompt"] if has_words else []), "Finetuned", "Told")
    return TextTable("Class", columns, tuple(TextRow(class_label(row.attribute, row.class_name), "", (
        spread_words(row.before), *([spread_words(row.baseline)] if has_words else []), spread_words(row.after),
        (row.status, ""))) for row in rows), DIVERSITY_NOTE)


def class_label(attribute: str, class_name: str) -> str:
    """ "Female"."""
    return next(c.label for c in load_attributes()[attribute].classes if c.name == class_name)


def spread_words(spread: Spread | None) -> tuple[str, str]:
    if spread is None or spread.distance is None:
        return "–", "no face" if spread is None or not spread.faces else "1 face" if spread.faces == 1 else f"{spread.faces} faces"
    return f"{spread.distance:.2f}", f"{spread.low:.2f} to {spread.high:.2f}, {spread.faces} faces"


def side_effects_table(rows: Sequence[ClassMoved]) -> TextTable | None:
    """Two lines a class that anything came to; None where it was not measured."""
    if not rows:
        return None
    questions = tuple(rows[0].came.changed)
    columns = ("Pictures", *(f"{q}: another answer" for q in questions), "Outside the faces")
    lines = [TextRow(class_label(row.attribute, row.class_name), told, moved_words(part, questions))
             for row in rows for told, part in (("came to it", row.came), ("had it before", row.stayed)) if part.pictures]
    return TextTable("Class after", columns, tuple(lines), SIDE_EFFECTS_NOTE)


def moved_words(part: Moved, questions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return ((str(part.pictures), ""), *(changed_words(part.changed[q], part, q) for q in questions), mean_words(part.outside))


def changed_words(share: Proportion, part: Moved, question: str) -> tuple[str, str]:
    """ "40 %", "20 to 60 %; most: suit 2 → 9"."""
    if share.frequency is None:
        return "–", ""
    gain = part.gained[question]
    most = f"; {gain.answer} {gain.before} → {gain.after}" if gain else ""
    return percent(share.frequency), f"{100 * share.low:.0f} to {percent(share.high)}{most}"


def mean_words(mean: Mean) -> tuple[str, str]:
    if mean.mean is None:
        return "–", ""
    return f"{mean.mean:.2f}", "" if mean.low is None else f"{mean.low:.2f} to {mean.high:.2f}"
