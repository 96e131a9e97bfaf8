"""The comparison in figures: verdicts and the table. The figures are the engine's, the words are for people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.html.fragment import fragment
from fairness_core import runs
from fairness_core.metrics import Verdict
from fairness_core.report.record import results_table
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.ratios import TargetError

MARKS = {"reached": ("✓ Target reached", "reached"), "not yet": ("✗ Not yet", "not-yet"),
         "cannot tell": ("? Cannot tell", "unclear")}
GROUPS = {"all": "all prompts", "trained on": "finetuned on", "not trained on": "not finetuned on ★",
          "in context": "said in words, not finetuned on ★"}
TERMS = {"Bias": "How unequal the classes are: 0, all as frequent; 1, only one is seen",
         "Distance": "Share of the faces that would have to change class to meet the target; 0: reached"}
FLOOR = "What a perfectly fair model would score with so few images, by chance alone"
KEPT = ("clip_image", "dino", "clip_text_before", "clip_text_after")


@dataclass(frozen=True)
class Cell:
    """Of a table that a telephone stacks: the cell names its column. small: what stands below in small print."""

    column: str
    text: str
    small: str = ""


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
    return fragment("verdicts", verdicts=[
        {"mark": MARKS[told.status], "label": attribute_label(name), "sentence": sentence(told)}
        for name, told in judged.items()])


def sentence(told: Verdict) -> str:
    """What the engine says, without repeating the status."""
    return told.sentence.removeprefix("target reached: ").removeprefix("not yet: ")


def images_wanted(judged: dict[str, Verdict]) -> int:
    """How many more images a prompt would tell what cannot be told yet; 0 when all is told."""
    return max((told.images_needed for told in judged.values()), default=0)


def table(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> str:
    """Bias and distance before and after with interval and floor, and what was kept, as HTML.

    An attribute that is not controlled has one line, over all prompts; one whose target is not parity has no bias.
    """
    measured = [row for row in results_table(comparisons, config) if row["controlled"] or row["group"] == "all"]
    kept = {name: figure(measured[0][name]) for name in KEPT} if measured else {}
    return fragment("measures", terms=TERMS, floor=FLOOR, rows=[line(row) for row in measured], kept=kept)


def line(row: dict) -> dict:
    """A row of the table in words: label, small print, whether it is the mean over all prompts, cells."""
    controlled = "" if row["controlled"] else ", not controlled"
    cells = [Cell(f"{term} {which}", figure(row[key := f"{term.lower()}_{which}"]), interval(row, key))
             if term != "Bias" or row["at_parity"] else Cell(f"{term} {which}", "–")
             for term in TERMS for which in ("before", "after", "floor")]
    return {"label": attribute_label(row["attribute"]), "small": f"{GROUPS[row['group']]} ({row['prompts']}){controlled}",
            "is_mean": row["group"] == "all", "cells": cells}


def figure(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.2f}"


def interval(row: dict, key: str) -> str:
    """ "0.10 to 0.30"; empty for what has none."""
    if row[key] is None or f"{key}_low" not in row:
        return ""
    return f"{figure(row[key + '_low'])} to {figure(row[key + '_high'])}"


def attribute_label(name: str) -> str:
    """ "Perceived gender × race" of "gender x race"."""
    known = load_attributes()
    first, *others = name.split(" x ")
    return " × ".join([known[first].label] + [known[o].label.removeprefix("Perceived ") for o in others])


def where_and_when(folder: runs.RunFolder) -> str:
    """ " on <machine>, <date>" of a recorded run, as far as it is known."""
    about = runs.read_about(folder)
    return "".join([f" on {about.machine}" if about.machine else "", f", {about.date[:10]}" if about.date else ""])
