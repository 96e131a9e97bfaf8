"""The page: components by name, and which touch calls which handler."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from app import help as words
from app import render, settings
from app.api import add_endpoints
from app.engine import Engine
from app.handlers import Handlers
from app.jobs import JobRunner
from app.targets import CUSTOM, TARGET_PRESETS, equal_percents
from app.theme import ENLARGE, REMEMBER_JOB
from fairness_core.attributes import Attribute, load_attributes
from fairness_core.config import FinetuneConfig
from fairness_core.prompts import ConceptGroup

Page = dict[str, Any]
VIEW_INPUTS = ("job_id", "seen", "prompt", "bars", "plot_class", "sort")


def build_app(engine: Engine, runs_root: Path, recorded_root: Path) -> gr.Blocks:
    """The page on an engine. runs_root: where runs are kept; recorded_root: runs that ship with the app.

    The job runner is at `.runner`, for a clean shutdown.
    """
    runner = JobRunner(engine, runs_root, recorded_root)
    handlers = Handlers(runner)
    page: Page = {}
    with gr.Blocks(title=words.TITLE, analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as demo:
        gr.Markdown(words.INTRO)
        page["job_id"] = gr.Textbox("", visible=False)
        page["seen"] = gr.State({})
        page["timer"] = gr.Timer(1.0, active=False)  # the page loads first, then it polls
        with gr.Tabs():
            with gr.Tab("Balance"):
                page["banner"] = gr.HTML("", elem_id="banner")
                with gr.Row(equal_height=False):
                    with gr.Column(scale=4, min_width=340):
                        target_step(page, engine, next(iter(handlers.presets.values())).config)
                    with gr.Column(scale=9, min_width=340):
                        finetune_step(page, handlers)
                        progress_panel(page)
                        compare_step(page)
            with gr.Tab("Runs") as runs_tab:
                runs_panel(page)
            with gr.Tab("About"):
                gr.Markdown(words.ABOUT)
        wire(demo, page, handlers, runs_tab)
        add_endpoints(runner, handlers)
    demo.runner = runner
    return demo


# ---------------------------------------------------------------- the parts of the page

def title(number: int, text: str) -> None:
    gr.HTML(f'<h2><span class="number" aria-hidden="true">{number}</span>{text}</h2>', elem_classes="step-title")


def target_step(page: Page, engine: Engine, first_config: FinetuneConfig) -> None:
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


def finetune_step(page: Page, handlers: Handlers) -> None:
    title(2, "Finetune")
    presets = list(handlers.presets.values())
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            page["length"] = gr.Radio([(p.label, p.name) for p in presets], value=presets[0].name, label="Length",
                                      info=words.LENGTH, elem_id="length")
            page["estimate"] = gr.HTML(handlers.estimate_of(presets[0], presets[0].config.steps))
        with gr.Column(scale=2, min_width=240):
            with gr.Row():
                page["start"] = gr.Button("Start", variant="primary", elem_id="start", min_width=90)
                page["stop"] = gr.Button("Stop", interactive=False, elem_id="stop", min_width=90)
            with gr.Row(equal_height=False, visible=False) as page["more"]:
                page["continue"] = gr.Button("Continue", elem_id="continue", elem_classes="low", min_width=100)
                page["more_steps"] = gr.Number(10, label="Steps to add", precision=0, minimum=1, maximum=1000,
                                               min_width=100, elem_id="more-steps")
    page["filled_for"] = gr.Textbox(presets[0].name, visible=False)  # not a gr.State: it must travel with Advanced
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        advanced_controls(page, settings.advanced_values(presets[0].config))


def advanced_controls(page: Page, values: dict[str, Any]) -> None:
    labels = {"steps": "Steps", "images_per_prompt": "Images per prompt", "learning_rate": "Learning rate",
              "lora_rank": "Adapter rank", "sampling_steps": "Sampling steps", "guidance_scale": "Guidance scale",
              "semantics": "Keep the picture", "face": "Keep faces real", "confidence": "Confidence", "seed": "Seed"}
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


def progress_panel(page: Page) -> None:
    page["status"] = gr.HTML(render.status(None), elem_id="status")
    with gr.Accordion("How the training goes", visible=False, elem_id="curves") as page["curves"]:
        with gr.Row():
            page["losses"] = gr.Plot(show_label=False, min_width=300)
            page["distances"] = gr.Plot(show_label=False, min_width=300)
        page["film"] = gr.HTML("", elem_id="film")


def compare_step(page: Page) -> None:
    title(3, "Compare")
    page["empty"] = gr.HTML(words.EMPTY_COMPARE, elem_id="empty")
    with gr.Column(visible=False, elem_id="compare") as page["compare"]:
        page["origin"] = gr.HTML("", elem_id="origin")
        page["verdict"] = gr.HTML("", elem_id="verdict")
        page["more_images"] = gr.Button("Generate 32 more images per prompt", size="md", elem_id="more-images")
        with gr.Row():
            page["prompt"] = gr.Dropdown([], label="Prompt", info=words.SHOWN_PROMPT, elem_id="prompt", min_width=220)
            attributes = load_attributes().values()
            page["bars"] = gr.CheckboxGroup([(a.label, a.name) for a in attributes], value=["gender"],
                                            label="Bars shown", info=words.SHOWN_BARS, elem_id="bars", min_width=300)
        gr.HTML('<div class="note">Left: original. Right: debiased, same noise. Press a pair to enlarge it.</div>')
        page["pairs"] = gr.HTML("", elem_id="pairs", js_on_load=ENLARGE)
        with gr.Row():
            page["plot_class"] = gr.Dropdown(render.class_choices(), value=render.class_choices()[0][1],
                                             label="Plotted", info=words.PLOT_CLASS, elem_id="plot-class",
                                             min_width=280)
            page["sort"] = gr.Radio([("Name", "name"), ("Before", "before"), ("After", "after")], value="before",
                                    label="Sorted by", info=words.SORT, elem_id="sort", min_width=280)
        page["distribution"] = gr.Plot(show_label=False, elem_id="distribution")
        page["table"] = gr.HTML("", elem_id="table")
        gr.Markdown(words.TABLE_NOTE, elem_classes="note")
        with gr.Row(equal_height=False) as page["dial"]:
            page["strength"] = gr.Slider(0, 1.5, 1.0, step=.1, label="Strength", info=words.STRENGTH, scale=3,
                                         elem_id="strength", buttons=[], min_width=280)
            page["rerender"] = gr.Button("Render again", elem_id="rerender", elem_classes="low", min_width=120)
        with gr.Row():
            page["adapter"] = gr.DownloadButton("Download adapter (safetensors)", elem_id="download-adapter")
            page["archive"] = gr.DownloadButton("Download everything (zip)", elem_id="download-archive")


def runs_panel(page: Page) -> None:
    page["no_runs"] = gr.Markdown(words.EMPTY_RUNS)
    page["runs"] = gr.HTML("", elem_id="runs")


# ---------------------------------------------------------------- wiring

def wire(demo: gr.Blocks, page: Page, handlers: Handlers, runs_tab: gr.Tab) -> None:
    on = partial(connect, page)
    sliders = [f"{a.name}:{c}" for a in load_attributes().values() for c in a.class_names]
    switches = [f"{a}:control" for a in load_attributes()]
    for name, attribute in load_attributes().items():
        on(page[f"{name}:control"].input, handlers.control_switched(name), (*sliders, *switches))
        for c in attribute.class_names:
            on(page[f"{name}:{c}"].input, handlers.slider_moved(name, c), (*sliders, *switches),
               trigger_mode="always_last")
    on(page["target_preset"].input, handlers.preset_chosen, ("target_preset",))
    chosen = tuple(f"{group}:concepts" for group in settings.concept_groups())
    for name in chosen:
        on(page[name].change, handlers.concepts_chosen, chosen)
    on(page["length"].input, handlers.length_chosen, ("length",))
    on(page["steps"].input, handlers.advanced_changed, ("length", "steps"))

    advanced = (*settings.WHOLE_SETTINGS, *settings.REAL_SETTINGS, *settings.LOSS_SETTINGS, "compare_images",
                "compare_trained", "compare_held_out")
    asked = (*VIEW_INPUTS, *sliders, *switches, *chosen, *advanced, "model", "free_text", "length", "filled_for")
    for name, handler, reads in (("start", handlers.start, asked), ("stop", handlers.stop, VIEW_INPUTS),
                                 ("continue", handlers.go_on, (*VIEW_INPUTS, "more_steps")),
                                 ("rerender", handlers.rerender, (*VIEW_INPUTS, "strength")),
                                 ("more_images", handlers.more_images, VIEW_INPUTS)):
        remember(page, on(page[name].click, handler, reads))
    on(page["timer"].tick, handlers.refresh, VIEW_INPUTS)
    for name in ("prompt", "bars", "plot_class", "sort"):
        on(page[name].input, handlers.refresh, VIEW_INPUTS)

    on(runs_tab.select, handlers.list_runs, ())
    demo.load(loader(page, handlers), [page[n] for n in VIEW_INPUTS], list(page.values()), **QUIET)


QUIET = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None, "queue": False}


def connect(page: Page, trigger: Callable, handler: Callable, reads: tuple[str, ...], **options: Any):
    """Calls `handler` with the values named in `reads`; it answers with updates by name, absent ones stay."""
    def call(*values: Any) -> dict:
        return named(page, handler(dict(zip(reads, values))))
    return trigger(call, [page[n] for n in reads], list(page.values()), **QUIET | options)


def named(page: Page, updates: dict[str, Any]) -> dict:
    return {page[name]: value for name, value in updates.items()}


def remember(page: Page, event) -> None:
    """Puts the job's id into the address once it is known."""
    event.then(None, [page["job_id"]], None, js=REMEMBER_JOB, api_visibility="private", show_progress="hidden")


def loader(page: Page, handlers: Handlers) -> Callable:
    """A page that opens: the job in its address, if there is one."""
    def load(request: gr.Request, *values: Any) -> dict:
        job_id = request.query_params.get("job", "")
        updates = handlers.refresh(dict(zip(VIEW_INPUTS, values)) | {"job_id": job_id, "seen": {}})
        return named(page, {"job_id": job_id} | updates)
    return load
