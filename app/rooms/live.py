"""A finetune under way: its prompts at step 0 beside now, and the shares that move towards the target."""

import gradio as gr

from app.html.live import live_bars, live_pairs
from app.jobs.files import FINETUNE, JobView
from app.page import Page, Piece, Values
from app.rooms.desk import Desk


class LiveRoom:
    view_inputs = ()
    shows = ("live", "live_bars", "live_pairs")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        with gr.Column(visible=False, elem_id="live") as page["live"]:
            page["live_bars"] = gr.HTML("", elem_id="live-bars")
            page["live_pairs"] = gr.HTML("", elem_id="live-pairs", js_on_load="enlarge(element)")

    def wire(self, page: Page) -> None:
        """It only shows."""

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        live = is_live(view)
        steps, film = (view.steps, view.film) if live else ((), ())
        job = view.job_id if live else ""
        return {
            "live": Piece(live, lambda: gr.update(visible=live)),
            "live_bars": Piece((job, len(steps), steps[-1].step if steps else 0),
                               lambda: live_bars(steps, view.request.config) if steps else ""),
            "live_pairs": Piece((job, len(film), film[-1].step if film else 0),
                                lambda: live_pairs(film, view.request.config) if live else ""),
        }


def is_live(view: JobView | None) -> bool:
    """Whether a finetune is under way, or broke off before there was anything to compare."""
    if view is None or view.recorded or view.request.kind != FINETUNE:
        return False
    return view.is_active or bool(view.film and not view.comparisons)
