"""What the comparison shows at first: bars and figures of what the run controls, until the visitor chooses otherwise."""

from typing import Any

import gradio as gr

from app.html import render
from app.jobs.files import JobView
from app.page import Piece, Values
from app.rooms.compare_figures import attribute_pairs
from fairness_core.report.record import target_if_any
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig

CHOICES = ("bars", "plot_class", "joint_pair")
CHOSEN_FOR = "chosen_for"  # the component that holds for what the choices were made; it travels with them


def with_choices(shown: JobView, values: Values) -> Values:
    """The values with the choices that count: the visitor's, where they were made for what is shown.

    Bars and figures stay as long as runs control the same, the prompt as long as the finetune is the same.
    """
    names, before = controlled(shown.request.config), str(values[CHOSEN_FOR] or "").partition("|")
    chosen = dict(values)
    if before[0] != ",".join(names):
        chosen |= first_choices(names)
    if before[2] != shown.source:
        chosen["prompt"] = ""  # the first one
    return chosen | {CHOSEN_FOR: f"{','.join(names)}|{shown.source}"}


def controlled(config: FinetuneConfig) -> list[str]:
    target = target_if_any(config)
    return list(target.names) if target else []


def first_choices(names: list[str]) -> dict[str, Any]:
    """names: the attributes that are controlled."""
    classes = [value for _, value in render.class_choices()]
    pairs = [value for _, value in attribute_pairs()]
    both = [p for p in pairs if set(p.split(" x ")) <= set(names)] or [p for p in pairs if set(p.split(" x ")) & set(names)]
    shown = names or list(load_attributes())[:1]
    return {"bars": shown, "plot_class": next(c for c in classes if c.startswith(f"{shown[0]}:")),
            "joint_pair": (both or pairs)[0]}


def choice_pieces(chosen: Values) -> dict[str, Piece]:
    """Sent when another kind of run is shown; what a visitor chooses meanwhile stays."""
    names, made_for = chosen[CHOSEN_FOR].partition("|")[0], chosen[CHOSEN_FOR]
    pieces = {name: Piece(names, lambda name=name: gr.update(value=chosen[name])) for name in CHOICES}
    return pieces | {CHOSEN_FOR: Piece(made_for, lambda: made_for)}
