"""Step 3, how long it learns; Start, Stop and Continue; and the settings in Advanced."""

from typing import Any

import gradio as gr

from app import words
from app.html.estimate import chosen_words, out_of_limits, steps_of, what_words
from app.html.fragment import note
from app.jobs.files import JobView
from app.page import Page, Piece, Updates, Values, title
from app.requests import settings
from app.rooms.desk import Desk
from app.rooms.target import CONCEPTS, SWITCHES, TARGET_INPUTS
from app.targets.sliders import target_presets
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.prompts import parse_prompts, prompt_for

ADD_STEPS = "Add steps"
COMPARED = ("compare_images", "compare_trained", "compare_held_out")
TRAINED = ("tune", *settings.WHOLE_SETTINGS, *settings.REAL_SETTINGS, *settings.LOSS_SETTINGS)
ESTIMATED = (*SWITCHES, *CONCEPTS, "free_text", "length", "steps", "experiment", "loaded")
SETTINGS_INPUTS = (*TARGET_INPUTS, *TRAINED, *COMPARED, "length", "filled_for", "loaded")


class FinetuneRoom:
    view_inputs = ()
    shows = ("start", "stop", "more", "continue", "more_steps")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        """How long; what few visitors change is in Advanced, where other rooms have their part."""
        presets = list(self.desk.presets.values())
        title(3, "Length")
        page["length"] = gr.Radio([(p.label, p.name) for p in presets], value=presets[0].name, label="How long it learns",
                                  elem_id="length")
        page["estimate"] = gr.HTML(self.first_estimate(presets[0]), elem_id="estimate")
        page["loaded"] = gr.Textbox("", visible=False)  # settings of a file or link, some of which have no field
        page["filled_for"] = gr.Textbox(presets[0].name, visible=False)  # not a gr.State: it must travel with Advanced

    def build_buttons(self, page: Page) -> None:
        page["start"] = gr.Button("Start", variant="primary", elem_id="start", min_width=90)
        page["stop"] = gr.Button("Stop", interactive=False, elem_id="stop", min_width=90)

    def build_more(self, page: Page) -> None:
        with gr.Row(equal_height=False, visible=False) as page["more"]:
            page["continue"] = gr.Button("Continue", elem_id="continue", elem_classes="low", min_width=100)
            page["more_steps"] = gr.Number(10, label="Steps to add", precision=0, minimum=1, maximum=1000,
                                           min_width=100, elem_id="more-steps")

    def build_advanced(self, page: Page) -> None:
        advanced_controls(page, settings.advanced_values(next(iter(self.desk.presets.values())).config))

    def wire(self, page: Page) -> None:
        page.on(page["length"].input, self.length_chosen, ESTIMATED,
                (*TRAINED, "filled_for", "loaded", "loaded_note", "experiment", "estimate"))
        for name in ("steps", "free_text", *SWITCHES, *CONCEPTS):
            page.on(page[name].change, self.estimate, ESTIMATED, ("estimate",), trigger_mode="always_last")
        page.asks(page["start"].click, self.start, SETTINGS_INPUTS, js="startPressed").failure(
            None, None, None, js="startFailed", api_visibility="private")
        page["start"].click(None, js="showLive", show_progress="hidden", api_visibility="private")
        page.asks(page["stop"].click, self.stop)
        page.asks(page["continue"].click, self.go_on, ("more_steps",))

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        active = view is not None and view.is_active
        stop, go_on = stop_button(view), continue_label(view)
        extends = go_on == ADD_STEPS
        return {
            "start": Piece(active, lambda: gr.update(interactive=not active)),
            "stop": Piece(stop, lambda: gr.update(
                value=stop[0], interactive=stop[1], variant="stop" if stop[1] else "secondary")),
            "more": Piece(bool(go_on), lambda: gr.update(visible=bool(go_on))),
            "continue": Piece(go_on, lambda: go_on),
            "more_steps": Piece(extends, lambda: gr.update(visible=extends)),
        }

    def length_chosen(self, values: Values) -> Updates:
        """The preset's settings fill Advanced."""
        preset = self.desk.presets.get(values["length"])
        if preset is None:
            return {}
        filled = {"loaded": "", "experiment": None, "steps": preset.config.steps}
        return settings.advanced_values(preset.config) | filled | {
            "filled_for": preset.name, "loaded_note": note("")} | self.estimate(values | filled)

    def estimate(self, values: Values) -> Updates:
        """What will be learned and how long it takes; settings of a file have no time that was measured."""
        steps = steps_of(values["steps"])
        if steps is None:
            return {"estimate": out_of_limits()}
        attributes, prompts = chosen_of(values)
        experiment = self.desk.experiments.get(values["experiment"])
        if experiment:
            own = experiment.config
            same = set(attributes) == set(own.marginals or own.joint_attributes) and prompts == len(own.prompts)
            told = "" if same else f"Changed from “{experiment.label}”: {what_words(attributes, prompts)}"
            return {"estimate": self.desk.takes(experiment, steps, told)}
        if values["loaded"]:
            return {"estimate": self.desk.takes(None, steps, f"Settings of your own: {what_words(attributes, prompts)}")}
        length = self.desk.length(values)
        told = chosen_words(attributes, prompts, steps, length, self.desk.lengths)
        return {"estimate": self.desk.takes(length, steps, told)}

    def first_estimate(self, preset: Any) -> str:
        """Of the page as it opens."""
        switches = {f"{name}:control": name in target_presets()[0].percents for name in load_attributes()}
        values = dict.fromkeys(ESTIMATED) | settings.chosen_at_first(preset.config) | switches | {
            "free_text": "", "length": preset.name, "steps": preset.config.steps}
        return self.estimate(values)["estimate"]

    def start(self, values: Values) -> Updates:
        return self.desk.submitting(values, lambda: self.desk.runner.submit(
            settings.finetune_request(values, self.desk.length(values).config)))

    def stop(self, values: Values) -> Updates:
        def ask() -> str:
            self.desk.runner.stop(values["job_id"])
            return values["job_id"]
        return self.desk.submitting(values, ask)

    def go_on(self, values: Values) -> Updates:
        """Continue: finish what broke off, or add steps to what is done."""
        def continued() -> str:
            view = self.desk.runner.view(values["job_id"])
            return self.desk.runner.go_on(view.job_id, 0 if view.can_resume else int(values["more_steps"] or 0))
        return self.desk.submitting(values, continued)


def chosen_of(values: Values) -> tuple[list[str], int]:
    """The attributes controlled, and how many prompts are chosen or typed."""
    attributes = [name for name in load_attributes() if values[f"{name}:control"]]
    concepts = [concept for name in CONCEPTS for concept in values[name] or ()]
    return attributes, len(dict.fromkeys((*map(prompt_for, concepts), *parse_prompts(values["free_text"] or ""))))


def advanced_controls(page: Page, values: dict[str, Any]) -> None:
    labels = {"steps": "Steps", "images_per_prompt": "Images per prompt", "learning_rate": "Learning rate",
              "lora_rank": "Adapter rank", "sampling_steps": "Sampling steps", "guidance_scale": "Guidance scale",
              "training_guidance_scale": "Training guidance scale",
              "semantics": "Keep the picture", "face": "Keep faces real", "confidence": "Confidence", "seed": "Seed"}
    page["tune"] = gr.Radio(settings.TUNED, value=values["tune"], label="What is tuned", info=words.TUNE, elem_id="set-tune")
    with gr.Row():
        for name, label in labels.items():
            page[name] = gr.Number(values[name], label=label, info=words.ADVANCED[name], min_width=150,
                                   precision=0 if name in settings.WHOLE_SETTINGS else None, elem_id=f"set-{name}")
    compared = {"compare_images": (settings.COMPARED_IMAGES, "Compared: images", words.COMPARE_IMAGES),
                "compare_trained": (settings.COMPARED_TRAINED, "Compared: chosen prompts", words.COMPARE_TRAINED),
                "compare_held_out": (settings.COMPARED_HELD_OUT, "Compared: held-out prompts",
                                     words.COMPARE_HELD_OUT)}
    with gr.Row():
        for name, (value, label, info) in compared.items():
            page[name] = gr.Number(value, label=label, info=info, precision=0, min_width=150, elem_id=f"set-{name}")


def stop_button(view: JobView | None) -> tuple[str, bool]:
    """The Stop button's words, and whether it can be pressed."""
    if view is None or not view.is_active:
        return "Stop", False
    if view.position:
        return "Cancel", True
    return ("Stopping…", False) if view.stopping else ("Stop", True)


def continue_label(view: JobView | None) -> str:
    """The Continue button's words; empty when there is nothing to continue."""
    if view is None:
        return ""
    return "Continue" if view.can_resume else ADD_STEPS if view.can_extend else ""
