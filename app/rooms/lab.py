"""Gradient lab: the method's two figures, measured live by the one worker."""

from dataclasses import replace
from pathlib import Path

import gradio as gr

from app import words
from app.html import render
from app.html.fragment import fragment
from app.html.measures import where_and_when
from app.jobs.files import QUEUED, Failure, JobRequest, JobView
from app.jobs.lab import LAB, lab_settings, load_points, progress_words
from app.jobs.store import LAB_FOLDER
from app.page import Page, Piece, Updates, Values
from app.requests import settings
from app.rooms.desk import Desk
from fairness_core.errors import UserError, words_for
from fairness_core.gradient_lab.figures import loss_figure, scale_figure
from fairness_core.gradient_lab.summary import loss_sentence, scale_sentence
from fairness_core.runs.folder import RunFolder, read_about
from fairness_core.settings.prompts import load_concepts

RUNS, STEPS = 3, 10


class LabRoom:
    view_inputs = ("lab_id",)
    shows = ("lab_start", "lab_stop", "lab_status", "lab_empty", "lab_figures", "lab_losses", "lab_losses_words", "lab_scales",
             "lab_scales_words")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        concepts = [*load_concepts().train, *load_concepts().held_out]
        with gr.Tab("Gradient lab", id="lab") as self.tab:
            gr.Markdown(words.LAB)
            page["lab_id"] = gr.Textbox("", visible=False)
            with gr.Row(equal_height=False):
                page["lab_prompt"] = gr.Dropdown(concepts, value=concepts[0], label="Pictures of", allow_custom_value=True,
                                                 info=words.LAB_PROMPT, elem_id="lab-prompt", min_width=200)
                page["lab_target"] = gr.Dropdown(concepts, value=concepts[1], label="Pulled toward a picture of",
                                                 allow_custom_value=True, info=words.LAB_TARGET, elem_id="lab-target",
                                                 min_width=200)
                page["lab_steps"] = gr.Number(STEPS, label="Updates a run", precision=0, minimum=1, maximum=100,
                                              info=f"{RUNS} runs of each gradient.", elem_id="lab-steps", min_width=140)
            with gr.Row():
                page["lab_start"] = gr.Button("Measure", variant="primary", elem_id="lab-start")
                page["lab_stop"] = gr.Button("Stop", interactive=False, elem_id="lab-stop")
            page["lab_status"] = gr.HTML("", elem_id="lab-status")
            page["lab_empty"] = gr.HTML(fragment("empty", text=words.EMPTY_LAB), elem_id="lab-empty")
            with gr.Row(visible=False, equal_height=False) as page["lab_figures"]:
                for name in ("lab_losses", "lab_scales"):
                    with gr.Column(min_width=320):
                        page[name] = gr.Plot(show_label=False, elem_id=name.replace("_", "-"))
                        page[f"{name}_words"] = gr.HTML("", elem_id=f"{name.replace('_', '-')}-words")

    def wire(self, page: Page) -> None:
        self.desk.redraws(page, page["lab_start"].click, self, self.start, ("lab_prompt", "lab_target", "lab_steps"), ("lab_id",))
        self.desk.redraws(page, page["lab_stop"].click, self, self.stop, writes=("lab_id",))
        self.desk.redraws(page, self.tab.select, self, self.find, writes=("lab_id",))

    def start(self, values: Values) -> Updates:
        return self.trying(values, lambda: self.desk.runner.submit(self.request(values)))

    def stop(self, values: Values) -> Updates:
        def ask() -> str:
            self.desk.runner.stop(values["lab_id"])
            return values["lab_id"]
        return self.trying(values, ask)

    def find(self, values: Values) -> Updates:
        """The latest measurement, when the tab is opened; the recorded one, by its folder's name, before there is any."""
        recorded = LAB_FOLDER if self.desk.runner.store.recorded_lab() else ""
        latest = next((line.job_id for line in self.desk.runner.history() if line.request.kind == LAB), recorded)
        lab_id = values["lab_id"] or latest
        return {"lab_id": lab_id} | self.desk.refresh(values | {"lab_id": lab_id}, self)

    def request(self, values: Values) -> JobRequest:
        """On the first preset's model. Raises InputError for a missing prompt or number."""
        chosen = [values[name] or "" for name in ("lab_prompt", "lab_target")]
        prompts = tuple(settings.checked_prompts([settings.as_prompt(text)])[0] for text in chosen)
        steps = int(settings.number({"updates": values["lab_steps"]}, "updates", 1, 100))
        config = replace(next(iter(self.desk.presets.values())).config, steps=steps, marginals={}, prompts=())
        return JobRequest(LAB, config, prompts, images=RUNS, seed=config.seed)

    def trying(self, values: Values, ask) -> Updates:
        try:
            lab_id = ask()
        except (UserError, OSError) as error:
            return {"lab_status": render.banner(Failure(words_for(error), "Nothing was started."))}
        return {"lab_id": lab_id} | self.desk.refresh(values | {"lab_id": lab_id}, self)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        lab = self.desk.view_if_any(values["lab_id"])
        if lab and lab.request.kind != LAB:
            lab = None
        recorded = self.desk.runner.store.recorded_lab() if values["lab_id"] == LAB_FOLDER else None
        folder = lab.folder if lab else recorded
        losses, scales = load_points(folder) if folder else ([], [])
        active = lab is not None and lab.is_active
        status = recorded_words(recorded) if recorded else self.status(lab, len(losses) + len(scales))
        any_yet, which = bool(losses or scales), (values["lab_id"], len(losses), len(scales))
        return {
            "lab_start": Piece(active, lambda: gr.update(interactive=not active)),
            "lab_stop": Piece(active, lambda: gr.update(interactive=active)),
            "lab_status": Piece(status, lambda: status),
            "lab_empty": Piece(any_yet, lambda: gr.update(visible=not any_yet)),
            "lab_figures": Piece(any_yet, lambda: gr.update(visible=any_yet)),
            "lab_losses": Piece((which[0], len(losses)), lambda: loss_figure(losses)),
            "lab_losses_words": Piece((which[0], len(losses)), lambda: note(loss_sentence(losses))),
            "lab_scales": Piece((which[0], len(scales)), lambda: scale_figure(scales)),
            "lab_scales_words": Piece((which[0], len(scales)), lambda: note(scale_sentence(scales))),
        }

    def status(self, lab: JobView | None, points: int) -> str:
        if lab is None:
            return ""
        if lab.failure:
            return render.banner(lab.failure)
        if lab.state == QUEUED:
            return note(f"Waiting: number {lab.position} in the queue. One job at a time; this one starts by itself.")
        return note(f"{lab.state.capitalize()}: {progress_words(points, lab_settings(lab.request))}")


def recorded_words(folder: Path) -> str:
    """What was measured where and when, and that it was before."""
    run = RunFolder(folder)
    return note(f"Recorded, made by this code{where_and_when(run)}: {read_about(run).title}. {words.RECORDED_LAB}")


def note(text: str) -> str:
    return fragment("notes", texts=[text])
