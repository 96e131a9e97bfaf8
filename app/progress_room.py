"""What is seen while a finetune runs: status, curves, and the film strip."""

import gradio as gr

from app import pictures, render
from app.handlers import Desk
from app.job_files import JobView
from app.page import Page, Piece, Values
from fairness_core.plots import distance_curves, training_curves

LIVE_SECONDS, IDLE_SECONDS = 1.0, 3.0


class ProgressRoom:
    view_inputs = ()

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        page["status"] = gr.HTML(render.status(None), elem_id="status")
        with gr.Accordion("How the training goes", visible=False, elem_id="curves") as page["curves"]:
            with gr.Row():
                page["losses"] = gr.Plot(show_label=False, min_width=300)
                page["distances"] = gr.Plot(show_label=False, min_width=300)
            page["film"] = gr.HTML("", elem_id="film")

    def wire(self, page: Page) -> None:
        """Nothing here is touched."""

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        active = view is not None and view.is_active
        status = render.status(view)
        trained = self.desk.source_of(view)
        steps = trained.steps if trained else ()
        film = trained.film if trained else ()
        curve = (trained.job_id if trained else "", len(steps), steps[-1].step if steps else 0)
        return {
            "timer": Piece(active, lambda: gr.Timer(LIVE_SECONDS if active else IDLE_SECONDS, active=True)),
            "status": Piece(status, lambda: status),
            "curves": Piece((bool(steps), active), lambda: gr.update(visible=bool(steps), open=active)),
            "losses": Piece(curve, lambda: training_curves(steps) if steps else None),
            "distances": Piece(curve, lambda: distance_curves(steps) if steps else None),
            "film": Piece((curve[0], len(film)), lambda: pictures.film(film)),
        }
