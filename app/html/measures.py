"""The comparison in figures: verdicts and the table. The figures are the engine's, the words are for people."""

from collections.abc import Sequence

import numpy as np

from app.text import plain
from fairness_core import runs
from fairness_core.metrics import Verdict
from fairness_core.report.record import results_table
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import TargetError, load_attributes
from fairness_core.settings.config import FinetuneConfig

MARKS = {"reached": ("✓ Target reached", "reached"), "not yet": ("✗ Not yet", "not-yet"),
         "cannot tell": ("? Cannot tell", "unclear")}
GROUPS = {"all": "all prompts", "trained on": "finetuned on", "not trained on": "not finetuned on ★"}
TERMS = {"Bias": "How unequal the classes are: 0, all as frequent; 1, only one is seen",
         "Distance": "Share of the faces that would have to change class to meet the target; 0: reached"}
FLOOR = "What a perfectly fair model would score with so few images, by chance alone"
COLUMNS = tuple(f"{term} {which}" for term in TERMS for which in ("before", "after", "floor"))


def target_share(config: FinetuneConfig, attribute: str, class_name: str,
                 prompts: Sequence[str]) -> float | dict[str, float] | None:
    """The target of one class in [0, 1], by prompt where some have their own; None when it is not controlled."""
    index = load_attributes()[attribute].class_names.index(class_name)
    try:
        if not config.targets_by_prompt:
            return float(config.target().marginal(attribute)[index])
        return {prompt: float(config.target(prompt).marginal(attribute)[index]) for prompt in prompts}
    except (TargetError, KeyError):
        return None


def verdicts(judged: dict[str, Verdict]) -> str:
    """A plain sentence per attribute, its status in words as well as in colour."""
    if not judged:
        return '<div class="note">No target to judge by, or no face found in any picture.</div>'
    lines = "".join(
        f'<li><span class="mark {MARKS[told.status][1]}">{MARKS[told.status][0]}</span>'
        f"<span><strong>{attribute_label(name)}</strong>: {sentence(told)}.</span></li>"
        for name, told in judged.items())
    return f'<ul class="verdicts" aria-label="Verdicts">{lines}</ul>'


def sentence(told: Verdict) -> str:
    """What the engine says, without repeating the status."""
    return plain(told.sentence.removeprefix("target reached: ").removeprefix("not yet: "))


def images_wanted(judged: dict[str, Verdict]) -> int:
    """How many more images a prompt would tell what cannot be told yet; 0 when all is told."""
    return max((told.images_needed for told in judged.values()), default=0)


def table(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> str:
    """Bias and distance before and after with interval and floor, and what was kept, as HTML.

    An attribute that is not controlled has one line, over all prompts.
    """
    measured = [row for row in results_table(comparisons, config) if row["controlled"] or row["group"] == "all"]
    if not measured:
        return '<div class="note">No target, so there is no bias to measure against.</div>'
    heads = "".join(f'<th scope="col"><abbr title="{told}">{term}</abbr> before</th><th scope="col">after</th>'
                    f'<th scope="col"><abbr title="{FLOOR}">floor</abbr></th>' for term, told in TERMS.items())
    body = "".join(row_html(row) for row in measured)
    return (f'<div class="scroll" tabindex="0" role="group" aria-label="Measures"><table class="measures stack">'
            f'<thead><tr><th scope="col">Perceived</th>{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>{kept(measured[0])}")


def kept(row: dict) -> str:
    """How much of the pictures stayed as it was."""
    return (f'<p class="kept">What stayed: <strong>CLIP-I {figure(row["clip_image"])}</strong>, <strong>DINO '
            f'{figure(row["dino"])}</strong> (original against debiased, same noise); CLIP-T '
            f'{figure(row["clip_text_before"])} before, {figure(row["clip_text_after"])} after.</p>')


def row_html(row: dict) -> str:
    controlled = "" if row["controlled"] else ", not controlled"
    first = (f'<th scope="row">{attribute_label(row["attribute"])}<br><small>{GROUPS[row["group"]]} '
             f'({row["prompts"]}){controlled}</small></th>')
    cells = [with_interval(row, "bias_before"), with_interval(row, "bias_after"), figure(row["bias_floor"]),
             with_interval(row, "distance_before"), with_interval(row, "distance_after"),
             figure(row["distance_floor"])]
    mean = ' class="mean"' if row["group"] == "all" else ""
    return f"<tr{mean}>{first}{stacked_cells(COLUMNS, cells)}</tr>"


def stacked_cells(columns: Sequence[str], cells: Sequence[str]) -> str:
    """Cells that name their column where a telephone has no room for the table's head."""
    return "".join(f'<td data-label="{column}">{cell}</td>' for column, cell in zip(columns, cells, strict=True))


def figure(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.2f}"


def with_interval(row: dict, key: str) -> str:
    if row[key] is None:
        return "–"
    return f"{figure(row[key])}<br><small>{figure(row[key + '_low'])} to {figure(row[key + '_high'])}</small>"


def attribute_label(name: str) -> str:
    """ "Perceived gender × race" of "gender x race"."""
    known = load_attributes()
    first, *others = name.split(" x ")
    return " × ".join([known[first].label] + [known[o].label.removeprefix("Perceived ") for o in others])


def where_and_when(folder: runs.RunFolder) -> str:
    """ " on <machine>, <date>" of a recorded run, as far as it is known."""
    about = runs.read_about(folder)
    return "".join([f" on {about.machine}" if about.machine else "", f", {about.date[:10]}" if about.date else ""])
