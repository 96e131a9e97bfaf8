"""What is seen first: pairs whose change shows at once, their figure in a sentence, and the run played again."""

import gradio as gr

from app import words
from app.html.first_look import first_look
from app.html.fragment import note
from app.html.measures import where_and_when
from app.html.reel import reel
from app.jobs.files import JobView
from app.page import Page, Piece, Updates, Values
from app.rooms.compare_figures import identity
from app.rooms.desk import Desk
from app.rooms.live import is_live
from fairness_core import runs


class FirstLookRoom:
    view_inputs = ()
    shows = ("first", "first_look", "watch", "reel")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        with gr.Column(elem_id="first") as page["first"]:
            first = self.pieces(None, {})["first_look"]  # what everyone sees first is there with the page
            page["first_look"] = gr.HTML(self.desk.draw_for_all("first_look", first) or note(words.LOADING),
                                         elem_id="first-look", js_on_load="enlarge(element)")
            page["reel"] = gr.HTML("", elem_id="reel", js_on_load="playReel(element)")

    def build_watch(self, page: Page) -> None:
        """Beside Start, where there is something to play."""
        page["watch"] = gr.Button("Watch it learn", visible=bool(self.filmed(None)), elem_id="watch", min_width=110)

    def wire(self, page: Page) -> None:
        page.on(page["watch"].click, self.watch, ("job_id",), ("reel",)).then(None, js="showReel", show_progress="hidden",
                                                                              api_visibility="private")

    def watch(self, values: Values) -> Updates:
        """The film strip of the run on show, to be played in the browser."""
        trained = self.filmed(self.desk.view_if_any(values["job_id"]))
        return {"reel": reel(trained.film, trained.request.config) if trained else ""}

    def filmed(self, view: JobView | None) -> JobView | None:
        """The finetune behind the pictures on show, if its film strip has several moments."""
        shown = self.desk.shown(view)
        trained = self.desk.source_of(shown) if shown else None
        return trained if trained and len({strip.step for strip in trained.film}) > 1 else None

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        live, shown = is_live(view), self.desk.shown(view)
        visible = shown is not None and not live
        filmed = self.filmed(view) if visible else None
        which = identity(shown) if visible else ()
        return {
            "first": Piece(visible, lambda: gr.update(visible=visible)),
            "first_look": Piece(which, lambda: first_look(
                shown.comparisons, shown.request.config, origin_words(shown)) if visible else ""),
            "watch": Piece(bool(filmed), lambda: gr.update(visible=bool(filmed))),
            "reel": Piece((filmed.job_id, filmed.step) if filmed else (), lambda: ""),
        }


def origin_words(shown: JobView) -> str:
    """Whose pictures they are, and that the built-in model's people are no photographs."""
    who = f"Recorded run, made by this code{where_and_when(runs.RunFolder(shown.folder))}." if shown.recorded else "Your run."
    return who + (f" {words.SYNTHETIC}" if shown.request.config.model == words.BUILT_IN else "")
