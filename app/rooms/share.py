"""Share this result: the prompt on show as one picture, to look at and to download."""

import gradio as gr
import numpy as np

from app import words
from app.html.fragment import fragment
from app.html.pictures import data_uri
from app.html.render import banner
from app.jobs.files import Failure, JobView
from app.page import Page, Piece, Updates, Values
from app.rooms.compare_figures import of_prompt
from app.rooms.desk import Desk
from app.rooms.downloads import download_picture
from app.text import friendly_day
from fairness_core import runs
from fairness_core.errors import UserError, words_for
from fairness_core.report.share_card import share_card, told
from fairness_core.results import PromptComparison


class SharePart:
    shows = ("share_picture", "share_file")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build_button(self, page: Page) -> None:
        page["share"] = gr.Button("Share this result (picture)", elem_id="share", min_width=160)

    def build(self, page: Page) -> None:
        page["share_picture"] = gr.HTML("", elem_id="share-picture")
        page["share_file"] = gr.DownloadButton("Download the picture (PNG)", visible=False, elem_id="share-file")

    def wire(self, page: Page) -> None:
        page.on(page["share"].click, self.share, ("job_id", "prompt"), (*self.shows, "banner"))

    def pieces(self, which: tuple, prompt: str) -> dict[str, Piece]:
        """A card of other pictures goes."""
        return {"share_picture": Piece((which, prompt), lambda: ""),
                "share_file": Piece((which, prompt), lambda: gr.update(visible=False))}

    def share(self, values: Values) -> Updates:
        try:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            if shown is None:
                return {}
            return pictured(shown, of_prompt(shown.comparisons, values["prompt"]))
        except (UserError, OSError) as error:
            return {"banner": banner(Failure(words_for(error), "No picture was made."))}


def pictured(shown: JobView, chosen: PromptComparison) -> Updates:
    """The card as a file of the page's cache; nothing is left in the run's folder."""
    when = runs.read_about(runs.RunFolder(shown.folder)).date if shown.recorded else shown.created
    card = share_card(chosen, shown.request.config, shown.recorded, friendly_day(when))
    said = "; ".join(" ".join(line) for line in told(chosen, shown.request.config))
    picture = fragment("share_card", picture=data_uri(np.asarray(card)), said=said, note=words.SHARED)
    return {"share_picture": picture, "share_file": download_picture(f"fair-portraits-{shown.job_id}", card)}
