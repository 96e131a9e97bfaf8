"""Step 1, the target: the model, the shares that should be seen, and the prompts."""

from collections.abc import Callable
from dataclasses import replace

import gradio as gr

from app import words
from app.html.fragment import fragment
from app.html.render import banner
from app.jobs.files import Failure, JobView
from app.jobs.lengths import typed_note
from app.page import Page, Piece, Updates, Values, known_or_first, title
from app.requests import settings
from app.requests.page_values import table_values
from app.rooms.desk import Desk
from app.targets import joint_table
from app.targets.sliders import (AS_IT_IS, CUSTOM, LABOUR, TargetPreset, equal_percents, labour_preset, matching_preset,
                                 measured_preset, rebalance, target_presets)
from fairness_core.settings.attributes import Attribute, load_attributes
from fairness_core.settings.labour_statistics import load_labour_statistics
from fairness_core.settings.ratios import TargetError

SLIDERS = tuple(f"{a.name}:{c}" for a in load_attributes().values() for c in a.class_names)
SWITCHES = tuple(f"{a}:control" for a in load_attributes())
CONCEPTS = tuple(f"{group}:concepts" for group in settings.concept_groups())
GROUPS = tuple(f"{a}:sliders" for a in load_attributes())
JOINT = ("joint:on", "joint:pair", *settings.JOINT_CELLS)
TABLE = ("joint:note", *settings.JOINT_CELLS)
JOINT_SHOWN = ("joint:group", "joint:editor", "joint:pair", *TABLE)
SHARES = (*SLIDERS, *SWITCHES, *JOINT)
PRESET = ("target_preset", "preset_note")
TARGET_SHOWN = (*SLIDERS, *SWITCHES, *GROUPS, "joint:on", *JOINT_SHOWN, *CONCEPTS, *PRESET)
TYPED = ("free_text", "model", "tune")  # what decides how much more may be typed
TARGET_INPUTS = (*SHARES, *CONCEPTS, "target_preset", "model", "free_text")


class TargetRoom:
    view_inputs = shows = ()

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        build_target(page)

    def wire(self, page: Page) -> None:
        for name, attribute in load_attributes().items():
            page.on(page[f"{name}:control"].input, self.control_switched(name), SHARES,
                    (f"{name}:sliders", *JOINT_SHOWN, *PRESET), trigger_mode="always_last")
            for c in attribute.class_names:
                own = (f"{name}:{other}" for other in attribute.class_names)
                page.on(page[f"{name}:{c}"].input, self.slider_moved(name, c), (*SLIDERS, *SWITCHES, "joint:on"),
                        (*own, *PRESET), trigger_mode="always_last")
        page.on(page["target_preset"].input, self.preset_chosen, (*TARGET_INPUTS, "job_id"), TARGET_SHOWN,
                trigger_mode="always_last")
        page.on(page["joint:on"].input, self.joint_switched, SHARES, (*JOINT_SHOWN, *PRESET), trigger_mode="always_last")
        page.on(page["joint:pair"].input, self.fill, SHARES, TABLE)
        page.on(page["joint:fill"].click, self.fill, SHARES, TABLE)
        page.on(page["joint:scale"].click, self.scale, JOINT, TABLE)
        for name in settings.JOINT_CELLS:
            page.on(page[name].input, self.table_edited, JOINT, ("joint:note",), trigger_mode="always_last")
        for name in CONCEPTS:
            page.on(page[name].change, self.concepts_chosen, CONCEPTS, ("concepts",))
        for name in TYPED:
            page.on(page[name].change, self.typed, TYPED, ("prompt_note",), trigger_mode="always_last")

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """The target is the visitor's: no job changes it."""
        return {}

    def slider_moved(self, attribute: str, class_name: str) -> Callable[[Values], Updates]:
        """The others make room; the moved one stays under the visitor's finger unless it is no whole percent from 0 to 100."""
        sliders = [f"{attribute}:{c}" for c in load_attributes()[attribute].class_names]
        own = f"{attribute}:{class_name}"

        def moved(values: Values) -> Updates:
            percents = dict(zip(sliders, rebalance([values[name] for name in sliders], sliders.index(own))))
            shown = {name: p for name, p in percents.items() if name != own or p != values[own]}
            return shown | self.preset_name(values | percents)
        return moved

    def control_switched(self, attribute: str) -> Callable[[Values], Updates]:
        def switched(values: Values) -> Updates:
            shown = gr.update(visible=bool(values[f"{attribute}:control"]))
            return {f"{attribute}:sliders": shown} | joint_updates(values) | self.preset_name(values)
        return switched

    def preset_name(self, values: Values) -> Updates:
        """Which preset the sliders amount to now."""
        preset = None if values["joint:on"] else matching_preset(settings.percents_of(values))
        return {"target_preset": preset.label if preset else CUSTOM, "preset_note": preset_note(preset)}

    def preset_chosen(self, values: Values) -> Updates:
        try:
            preset = self.preset_called(values)
        except TargetError as error:
            return {"preset_note": banner(Failure(str(error), "Choose another target, or what this one rests on."))}
        if preset is None:
            return {"preset_note": preset_note(None)}
        percents, chosen = preset.percents, {}
        if preset.label == LABOUR:
            chosen = {name: [c for c in values[name] or () if c in load_labour_statistics()] for name in CONCEPTS}
        if preset.label == AS_IT_IS:  # of what is controlled, which is everything when nothing is
            percents = {name: percents[name] for name in settings.percents_of(values)} or percents
        return preset_updates(percents) | chosen | {"preset_note": preset_note(preset)}

    def preset_called(self, values: Values) -> TargetPreset | None:
        """The preset of that label. Raises TargetError when what it rests on is missing."""
        if values["target_preset"] == LABOUR:
            return labour_preset([c for name in CONCEPTS for c in values[name] or ()], load_labour_statistics())
        if values["target_preset"] == AS_IT_IS:
            return self.as_it_is(values["model"], values["job_id"])
        return next((p for p in target_presets() if p.label == values["target_preset"]), None)

    def as_it_is(self, model: str, job_id: str) -> TargetPreset:
        """Measured on the original's pictures of the comparison on show, or of the recorded run."""
        shown = self.desk.shown(self.desk.view_if_any(job_id))
        if shown is None or shown.request.config.model != model:
            raise TargetError("No pictures of this model have been measured yet: finetune or compare it once.")
        n, where = len(shown.comparisons), "the recorded run" if shown.recorded else f"run {shown.job_id}"
        return measured_preset([c.original for c in shown.comparisons], f"{n} prompts of {where}")

    def joint_switched(self, values: Values) -> Updates:
        return joint_updates(values) | self.preset_name(values)

    def fill(self, values: Values) -> Updates:
        """The table as if the two attributes were independent, from the sliders."""
        pair, percents = settings.chosen_pair(values), settings.percents_of(values)
        known = pair and set(pair.split(" x ")) <= set(percents)
        return table_values(pair, joint_table.from_marginals(pair, percents)) if known else {}

    def scale(self, values: Values) -> Updates:
        pair = settings.chosen_pair(values)
        try:
            return table_values(pair, joint_table.scaled(pair, settings.joint_cells(values))) if pair else {}
        except TargetError:
            return self.table_edited(values)

    def table_edited(self, values: Values) -> Updates:
        pair = settings.chosen_pair(values)
        return {"joint:note": joint_table.note(pair, settings.joint_cells(values))} if pair else {}

    def typed(self, values: Values) -> Updates:
        """How many tokens are left to what is typed."""
        config = next(iter(self.desk.presets.values())).config
        reserved = replace(config, tune=known_or_first(values["tune"], settings.TUNED)).reserved_places
        return {"prompt_note": typed_note(self.desk.runner.engine, values["model"] or "", values["free_text"], reserved)}

    def concepts_chosen(self, values: Values) -> Updates:
        return {"concepts": gr.update(label=settings.concepts_label(values))}


def build_target(page: Page) -> None:
    title(1, "Target")
    first = target_presets()[0]
    page["target_preset"] = gr.Dropdown([*(p.label for p in target_presets()), LABOUR, AS_IT_IS,
                                         CUSTOM], value=first.label,
                                        label="Who should be seen", elem_id="target-preset")
    page["preset_note"] = gr.HTML(preset_note(first), elem_id="preset-note")
    for attribute in load_attributes().values():
        attribute_controls(page, attribute, first.percents.get(attribute.name))
    joint_controls(page)


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


def joint_controls(page: Page) -> None:
    """Hidden until two attributes are controlled."""
    with gr.Column(visible=False, elem_id="joint") as page["joint:group"]:
        page["joint:on"] = gr.Checkbox(False, label="Set each combination of two attributes", info=words.JOINT,
                                       elem_id="joint-on", container=True)
        with gr.Column(visible=False, elem_classes="tight") as page["joint:editor"]:
            page["joint:pair"] = gr.Dropdown([], label="Which two", info=words.JOINT_PAIR, elem_id="joint-pair",
                                             visible=False)
            rows, columns = joint_table.grid()
            for i in range(rows):
                with gr.Row():
                    for j in range(columns):
                        page[f"joint:{i}:{j}"] = gr.Number(visible=False, min_width=120, elem_id=f"joint-{i}-{j}")
            page["joint:note"] = gr.HTML("", elem_id="joint-note")
            with gr.Row():
                page["joint:fill"] = gr.Button("Fill from the sliders", size="sm", elem_id="joint-fill", min_width=120)
                page["joint:scale"] = gr.Button("Scale to 100 %", size="sm", elem_id="joint-scale", min_width=120)


def joint_updates(values: Values) -> Updates:
    """Whether there is a table of combinations, and of which pair; a new pair is filled from the sliders."""
    percents = settings.percents_of(values)
    pairs = joint_table.pair_choices(list(percents))
    shown: Updates = {"joint:group": gr.update(visible=bool(pairs)),
                      "joint:editor": gr.update(visible=bool(pairs and values["joint:on"]))}
    if pairs:
        known = values["joint:pair"] in [value for _, value in pairs]
        pair = values["joint:pair"] if known else pairs[0][1]
        shown["joint:pair"] = gr.update(choices=pairs, value=pair, visible=len(pairs) > 1)
        if not known:
            shown |= table_values(pair, joint_table.from_marginals(pair, percents))
    return shown


def preset_updates(percents: dict[str, dict[str, int]]) -> Updates:
    """Switches and sliders of a preset; a table of combinations is switched off and filled anew."""
    updates: Updates = {"joint:on": False}
    for name in load_attributes():
        controlled = name in percents
        updates[f"{name}:control"] = controlled
        updates[f"{name}:sliders"] = gr.update(visible=controlled)
        updates |= {f"{name}:{c}": share for c, share in percents.get(name, {}).items()}
    values = {f"{name}:{c}": share for name, shares in percents.items() for c, share in shares.items()}
    values |= {f"{name}:control": name in percents for name in load_attributes()}
    return updates | joint_updates(values | {"joint:on": False, "joint:pair": ""})


def preset_note(preset: TargetPreset | None) -> str:
    return fragment("preset_note", preset=preset, details=words.PRESET_DETAILS)
