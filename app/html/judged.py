"""What was judged in pictures made elsewhere, as HTML. Pure functions."""

from collections.abc import Sequence

from app.html.fragment import fragment
from app.html.measures import FLOOR, TERMS, Cell, attribute_label, figure, interval, verdicts
from app.html.pictures import FIRST_PAIRS, data_uri, perceived
from fairness_core.annotate import annotate_set
from fairness_core.pictures.judged import Judged, JudgedPrompt, sentence_of, warning_of
from fairness_core.plots import concept_name
from fairness_core.report.judged import judged_table, judged_verdicts
from fairness_core.settings.attributes import TargetDistribution

MOST_SKIPPED = 100


def told(judged: Judged, target: TargetDistribution, target_words: str) -> str:
    """Who judged, what must be said of that, how many pictures, and the verdict."""
    return fragment("judged_told", judge=judged.judge.label, warning=warning_of(judged), told=sentence_of(judged),
                    target=target_words, left=judged.left, verdicts=verdicts(judged_verdicts(judged, target)))


def table(judged: Judged, target: TargetDistribution) -> str:
    """Bias and distance with interval and floor, unsure and faceless, and what was left out, by name."""
    rows = [row_of(row) for row in judged_table(judged, target)]
    return fragment("judged_table", rows=rows, terms=TERMS, floor=FLOOR, skipped=judged.skipped[:MOST_SKIPPED],
                    more=max(len(judged.skipped) - MOST_SKIPPED, 0))


def row_of(row: dict) -> dict:
    """Label, small print, and a cell for each column."""
    cells = [Cell("Faces", str(row["faces"]), f"of {row['pictures']} pictures"),
             Cell("No face", str(row["no_face"])), Cell("Unsure", "–" if row["unsure"] is None else str(row["unsure"]))]
    for term in TERMS:
        key = term.lower()
        cells += [Cell(term, figure(row[key]), interval(row, key)), Cell(f"{term} floor", figure(row[f"{key}_floor"]))]
    return {"label": attribute_label(row["attribute"]), "small": "" if row["controlled"] else "not in the target",
            "cells": [*cells, Cell("CLIP-T", figure(row["clip_text"]))]}


def cards(one: JudgedPrompt, shown: Sequence[str]) -> str:
    """The pictures kept of a prompt, with the face boxed and bars beside it; a card is a button that enlarges it."""
    shown = [name for name in shown if name in one.images.probabilities]
    pictures = annotate_set(one.images, shown)
    made = [{"number": one.images.numbers[i], "file": one.files[i], "picture": data_uri(picture), "width": picture.shape[1],
             "height": picture.shape[0], "perceived": perceived(one.images, i, shown)} for i, picture in enumerate(pictures)]
    return fragment("judged_cards", first=made[:FIRST_PAIRS], rest=made[FIRST_PAIRS:], bars=len(shown), kept=len(made),
                    rows=len(one.images.numbers))


def prompt_choices(judged: Judged) -> list[tuple[str, str]]:
    """(shown, value) of each prompt."""
    return [(f"{concept_name(one.prompt)} ({one.pictures})", one.prompt) for one in judged.prompts]
