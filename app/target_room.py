"""Step 1, the target: the model, the shares that should be seen, and the prompts."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app import help as words
from app import settings
from app.engine import Engine
from app.handlers import Desk
from app.job_files import JobView
from app.page import Page, Piece, Updates, Values, title
from app.targets import CUSTOM, TARGET_PRESETS, equal_percents, matching_preset, rebalance
from fairness_core.attributes import Attribute, load_attributes
from fairness_core.config import FinetuneConfig
from fairness_core.prompts import ConceptGroup

SLIDERS = tuple(f"{a.name}:{c}" for a in load_attributes().values() for c in a.class_names)
SWITCHES = tuple(f"{a}:control" for a in load_attributes())
CONCEPTS = tuple(f"{group}:concepts" for group in settings.concept_groups())
TARGET_INPUTS = (*SLIDERS, *SWITCHES, *CONCEPTS, "model", "free_text")


class TargetRoom:
    view_inputs = ()

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        build_target(page, self.desk.runner.engine, next(iter(self.desk.presets.values())).config)

    def wire(self, page: Page) -> None:
        for name, attribute in load_attributes().items():
            page.on(page[f"{name}:control"].input, self.control_switched(name), (*SLIDERS, *SWITCHES))
            for c in attribute.class_names:
                page.on(page[f"{name}:{c}"].input, self.slider_moved(name, c), (*SLIDERS, *SWITCHES),
                        trigger_mode="always_last")
        page.on(page["target_preset"].input, self.preset_chosen, ("target_preset",))
        for name in CONCEPTS:
            page.on(page[name].change, self.concepts_chosen, CONCEPTS)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """The target is the visitor's: no job changes it."""
        return {}

    def slider_moved(self, attribute: str, class_name: str) -> Callable[[Values], Updates]:
        """The other sliders of the attribute make room; the moved one is left under the visitor's finger."""
        names = load_attributes()[attribute].class_names

        def moved(values: Values) -> Updates:
            percents = rebalance([values[f"{attribute}:{c}"] for c in names], names.index(class_name))
            others = {f"{attribute}:{c}": p for c, p in zip(names, percents) if c != class_name}
            return others | self.preset_name(values | dict(zip((f"{attribute}:{c}" for c in names), percents)))
        return moved

    def control_switched(self, attribute: str) -> Callable[[Values], Updates]:
        def switched(values: Values) -> Updates:
            shown = gr.update(visible=bool(values[f"{attribute}:control"]))
            return {f"{attribute}:sliders": shown} | self.preset_name(values)
        return switched

    def preset_name(self, values: Values) -> Updates:
        """Which preset the sliders amount to now."""
        preset = matching_preset(settings.percents_of(values))
        return {"target_preset": preset.label if preset else CUSTOM, "preset_note": preset_note(preset)}

    def preset_chosen(self, values: Values) -> Updates:
        preset = next((p for p in TARGET_PRESETS if p.label == values["target_preset"]), None)
        updates: Updates = {"preset_note": preset_note(preset)}
        for name, attribute in load_attributes().items() if preset else ():
            controlled = name in preset.percents
            updates[f"{name}:control"] = controlled
            updates[f"{name}:sliders"] = gr.update(visible=controlled)
            if controlled:
                updates |= {f"{name}:{c}": preset.percents[name][c] for c in attribute.class_names}
        return updates

    def concepts_chosen(self, values: Values) -> Updates:
        return {"concepts": gr.update(label=settings.concepts_label(values))}


def build_target(page: Page, engine: Engine, first_config: FinetuneConfig) -> None:
    title(1, "Choose a target")
    models = engine.available_models()
    usable = [(m.label, m.name) for m in models if not m.unavailable]
    page["model"] = gr.Dropdown(usable, value=usable[0][1] if usable else None, label="Model", info=words.MODEL)
    if missing := [m for m in models if m.unavailable]:
        gr.HTML('<div class="note">' + "<br>".join(f"Not here: {m.label}: {m.unavailable}" for m in missing) + "</div>")
    first = TARGET_PRESETS[0]
    page["target_preset"] = gr.Dropdown([p.label for p in TARGET_PRESETS] + [CUSTOM], value=first.label,
                                        label="Target", info=words.PRESET, elem_id="target-preset")
    page["preset_note"] = gr.HTML(f'<div class="note">Chosen by {first.chosen_by}: {first.why}.</div>')
    for attribute in load_attributes().values():
        attribute_controls(page, attribute, first.percents.get(attribute.name))
    chosen = settings.chosen_at_first(first_config)
    with gr.Accordion(settings.concepts_label(chosen), open=False, elem_id="concepts") as page["concepts"]:
        for group, concepts in settings.concept_groups().items():
            concept_controls(page, group, concepts, chosen[f"{group}:concepts"])
    page["free_text"] = gr.Textbox(label="Your own prompts", info=words.FREE_TEXT, lines=1, max_lines=6,
                                   placeholder="a close-up of a smiling barista in warm light", elem_id="free-text")


def attribute_controls(page: Page, attribute: Attribute, percents: dict[str, int] | None) -> None:
    with gr.Group():
        page[f"{attribute.name}:control"] = gr.Checkbox(
            percents is not None, label=f"{attribute.label}: control this",
            elem_id=f"control-{attribute.name}")
        with gr.Column(visible=percents is not None, elem_id=f"sliders-{attribute.name}") as sliders:
            for cls in attribute.classes:
                page[f"{attribute.name}:{cls.name}"] = gr.Slider(
                    0, 100, (percents or equal_percents(attribute))[cls.name], step=1, label=f"{cls.label} %",
                    info=cls.description or None, elem_id=f"slider-{attribute.name}-{cls.name}", buttons=[])
    page[f"{attribute.name}:sliders"] = sliders


def concept_controls(page: Page, group: str, concepts: ConceptGroup, chosen: tuple[str, ...]) -> None:
    page[f"{group}:concepts"] = gr.CheckboxGroup(
        list(concepts.train), value=list(chosen), label=settings.GROUP_LABELS.get(group, group.capitalize()),
        info=f"{words.CONCEPTS} Held out, compared afterwards: {', '.join(concepts.held_out)}.",
        show_select_all=True, elem_id=f"concepts-{group}")


def preset_note(preset) -> str:
    if preset is None:
        return '<div class="note">Your own target. Say who chose it and why when you share the result.</div>'
    return f'<div class="note">Chosen by {preset.chosen_by}: {preset.why}.</div>'
