"""What is seen while a finetune runs: status, curves, film strip and log; and a checkpoint worth keeping."""

import gradio as gr

from app import words
from app.html import pictures, render
from app.html.fragment import note
from app.html.step_log import step_log
from app.jobs.files import FINETUNING, Failure, JobView
from app.page import Page, Piece, Updates, Values
from app.rooms.desk import Desk, mark
from fairness_core.errors import UserError, words_for
from fairness_core.plots import distance_curves, training_curves

LIVE_SECONDS, IDLE_SECONDS = 1.0, 3.0


class ProgressRoom:
    view_inputs = ("film_step",)
    shows = ("timer", "status", "curves", "losses", "distances", "film", "film_step", "keep", "keep_note", "log")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        with gr.Accordion("How the training goes", visible=False, elem_id="curves") as page["curves"]:
            with gr.Row():
                page["losses"] = gr.Plot(show_label=False, min_width=300)
                page["distances"] = gr.Plot(show_label=False, min_width=300)
            gr.HTML(note(words.CURVES))
            page["film"] = gr.HTML("", elem_id="film")
            page["film_step"] = gr.Slider(0, 100, 100, step=1, label="Film strip, after so many steps", visible=False,
                                          info=words.FILM_STEP, elem_id="film-step", buttons=[])
            with gr.Row(equal_height=False, visible=False) as page["keep"]:
                page["keep_name"] = gr.Textbox(label="Keep this checkpoint as", info=words.KEEP, max_lines=1, scale=3,
                                               placeholder="before the faces changed", elem_id="keep-name",
                                               min_width=200)
                page["keep_now"] = gr.Button("Keep this checkpoint", elem_id="keep-now", elem_classes="low",
                                             min_width=160)
            page["keep_note"] = gr.HTML("", elem_id="keep-note")
            with gr.Accordion("Log, step by step", open=False, elem_id="step-log"):
                page["log"] = gr.HTML("")

    def build_status(self, page: Page) -> None:
        page["status"] = gr.HTML(render.status(None), elem_id="status")

    def wire(self, page: Page) -> None:
        self.desk.redraws(page, page["film_step"].input, self)
        for trigger in (page["keep_now"].click, page["keep_name"].submit):
            page.on(trigger, self.keep, ("job_id", "keep_name"), ("keep_name", "keep_note", "banner"))

    def keep(self, values: Values) -> Updates:
        try:
            self.desk.runner.keep(values["job_id"], values["keep_name"])
        except (UserError, OSError) as error:
            return {"banner": render.banner(Failure(words_for(error), "The run goes on as it was."))}
        name = " ".join(values["keep_name"].split())
        told = f"Kept as “{name}”, from the end of this step: find it in the Runs tab."
        return {"keep_name": "", "keep_note": note(told, live=True)}

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        active = view is not None and view.is_active
        status = render.status(view)
        trained = self.desk.source_of(view)
        steps = trained.steps if trained else ()
        film = trained.film if trained else ()
        curve = (trained.job_id if trained else "", len(steps), steps[-1].step if steps else 0)
        reel = (curve[0], len(film), film[-1].step if film else 0)
        last = trained.total_steps if trained else 0
        moments = (curve[0], last, len({strip.step for strip in film}) > 1)
        is_set = (values["seen"] or {}).get("film_step") == mark(moments)  # else the slider is another run's
        scrubbed = values["film_step"] if is_set and values["film_step"] is not None else last
        own = view is not None and view is trained and not view.recorded
        keeps = own and bool(steps) and (view.phase == FINETUNING or not active)
        return {
            "timer": Piece(active, lambda: gr.Timer(LIVE_SECONDS if active else IDLE_SECONDS, active=True)),
            "status": Piece(status, lambda: status),
            "curves": Piece((bool(steps), active), lambda: gr.update(visible=bool(steps), open=active)),
            "losses": Piece(curve, lambda: training_curves(steps) if steps else None),
            "distances": Piece(curve, lambda: distance_curves(steps) if steps else None),
            "film": Piece((reel, scrubbed), lambda: pictures.film(film, scrubbed)),
            "film_step": Piece(moments, lambda: gr.update(visible=moments[2], maximum=max(last, 1), value=last)),
            "keep": Piece(keeps, lambda: gr.update(visible=keeps)),
            "keep_note": Piece(curve[0], lambda: ""),
            "log": Piece(curve, lambda: step_log(steps)),
        }
