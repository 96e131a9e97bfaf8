"""What each way gives: the finetune beside words in the prompt; whether faces stay different, and what else moved."""

import gradio as gr

from app import words
from app.html import text_table
from app.html.fragment import fragment, note
from app.jobs.files import JobError, JobRequest, JobView
from app.page import Page, Piece, Updates, Values
from app.requests import settings
from app.rooms.compare_figures import identity
from app.rooms.desk import Desk
from fairness_core.metrics.diversity import diversity
from fairness_core.metrics.side_effects import side_effects
from fairness_core.report.record import target_if_any
from fairness_core.report.sides import left_alone, side_rows
from fairness_core.report.text_tables import diversity_table, left_alone_words, side_effects_table, sides_table


class WaysPart:
    shows = ("ways", "paint_words", "diversity", "side_effects")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        gr.HTML(fragment("part_title", text="What each way gives"), elem_classes="part-title")
        gr.HTML(note(words.WAYS))
        page["ways"] = gr.HTML("", elem_id="ways")
        page["paint_words"] = gr.Button("Paint it with words in the prompt", size="md", elem_id="paint-words")
        with gr.Accordion("Do faces stay different, and what else moved?", open=False, elem_id="beyond"):
            page["diversity"] = gr.HTML("", elem_id="diversity")
            page["side_effects"] = gr.HTML("", elem_id="side-effects")

    def wire(self, page: Page) -> None:
        page.asks(page["paint_words"].click, self.paint_words)

    def pieces(self, shown: JobView) -> dict[str, Piece]:
        which, comparisons, config = identity(shown), shown.comparisons, shown.request.config
        label = self.label(shown)
        return {
            "ways": Piece(which, lambda: text_table.html(
                "What each way gives", sides_table(side_rows(comparisons, config)), left_alone_words(left_alone(comparisons)))),
            "paint_words": Piece(label, lambda: gr.update(visible=bool(label), value=label)),
            "diversity": Piece(which, lambda: text_table.html(
                "Do faces of a class stay different?", diversity_table(diversity(comparisons)))),
            "side_effects": Piece(which, lambda: text_table.html(
                "What else moved", side_effects_table(side_effects(comparisons)))),
        }

    def label(self, shown: JobView) -> str:
        """Of the button; empty where there is no target to put into words, or nothing left to paint."""
        if shown.is_active or target_if_any(shown.request.config) is None:
            return ""
        missing = [c for c in shown.comparisons if c.baseline is None]
        images = sum(len(c.original.numbers) for c in missing)
        return f"Paint words in the prompt beside it ({images} pictures)" if missing else ""

    def paint_words(self, values: Values) -> Updates:
        """The comparison on show again, with what words in the prompt do added to it."""
        def ask() -> str:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            if shown is None or target_if_any(shown.request.config) is None:
                raise JobError("There is no target to put into words: finetune toward one first.")
            return self.desk.runner.submit(self.request(shown))
        return self.desk.submitting(values, ask)

    def request(self, shown: JobView) -> JobRequest:
        return settings.again(shown, extends=shown.job_id, baseline=True)
