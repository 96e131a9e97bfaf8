"""The runs: what was made earlier, to be opened again."""

import gradio as gr

from app import help as words
from app import render
from app.handlers import Desk
from app.job_files import JobView
from app.page import Page, Piece, Updates, Values


class RunsRoom:
    view_inputs = ()

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        """In its own tab, which is the room's `tab`."""
        with gr.Tab("Runs") as self.tab:
            page["no_runs"] = gr.Markdown(words.EMPTY_RUNS)
            page["runs"] = gr.HTML("", elem_id="runs")

    def wire(self, page: Page) -> None:
        page.on(self.tab.select, self.list_runs)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """The list is drawn when the tab is opened."""
        return {}

    def list_runs(self, values: Values) -> Updates:
        lines = self.desk.runner.history()
        return {"runs": render.history(lines), "no_runs": gr.update(visible=not lines)}
