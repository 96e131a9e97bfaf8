"""What a visitor should know of the machine: what a shared one allows, and that no GPU is lent now."""

import gradio as gr

from app.html.fragment import fragment
from app.jobs.files import JobView
from app.page import Page, Piece, Values
from app.rooms.desk import Desk


class HostingRoom:
    view_inputs = ()
    shows = ("hosting",)

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        page["hosting"] = gr.HTML("", elem_id="hosting")

    def wire(self, page: Page) -> None:
        """It only tells."""

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        told = tuple(filter(None, (view.notice if view else "", self.desk.runner.visitors.words())))
        return {"hosting": Piece(told, lambda: fragment("notes", texts=told))}
