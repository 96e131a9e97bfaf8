"""One pair of the comparison, large: a slider between original and debiased, and the classifier's errors put right."""

from collections.abc import Sequence

import gradio as gr

from app import words
from app.html import pictures, render
from app.html.fragment import fragment, note
from app.jobs.files import Failure, JobView
from app.page import Page, Piece, Updates, Values, unless_shown
from app.rooms import correcting
from app.rooms.compare_figures import identity
from app.rooms.desk import Desk, Room
from fairness_core.errors import UserError, words_for
from fairness_core.results import PromptComparison
from fairness_core.runs.corrections import Correction, with_correction


class PairPart:
    view_inputs = ("number",)
    shows = ("number", "slider", "pair_words", "fixes", "unfix")

    def __init__(self, desk: Desk, room: Room):
        self.desk, self.room = desk, room

    def build(self, page: Page) -> None:
        gr.HTML(fragment("part_title", text="One pair"), elem_classes="part-title")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                page["slider"] = gr.ImageSlider(
                    show_label=False, interactive=False, elem_id="slider", max_height=420,
                    buttons=["download", "fullscreen"])
                page["pair_words"] = gr.HTML("", elem_id="pair-words", js_on_load="tellPair(element)")
            with gr.Column(scale=2, min_width=300):
                page["number"] = gr.Slider(0, 15, 0, step=1, label="Picture number", info=words.PICTURE_NUMBER,
                                           elem_id="number", buttons=[])
                with gr.Accordion("The classifier got it wrong?", open=False, elem_id="correct"):
                    gr.HTML(note(words.CORRECT))
                    page["fix_side"] = gr.Radio([("Original", "original"), ("Debiased", "tuned")], value="tuned",
                                                label="Which of the two", elem_id="fix-side")
                    page["fix_class"] = gr.Dropdown(correcting.choices(), value=correcting.choices()[0][1],
                                                    label="What you see", elem_id="fix-class")
                    with gr.Row():
                        page["fix"] = gr.Button("Correct it", elem_id="fix", min_width=110)
                        page["unfix"] = gr.Button("Undo all", elem_id="unfix", min_width=110, visible=False)
                page["fixes"] = gr.HTML("", elem_id="fixes")

    def wire(self, page: Page) -> None:
        self.desk.redraws(page, page["number"].input, self.room)
        self.desk.redraws(page, page["fix"].click, self.room, self.fix, ("fix_side", "fix_class"))
        self.desk.redraws(page, page["unfix"].click, self.room, self.unfix)

    def pieces(self, shown: JobView, chosen: PromptComparison, bars: Sequence[str], values: Values) -> dict[str, Piece]:
        """A number that the prompt has no picture of falls back to its last."""
        which, last = identity(shown), chosen.original.shown - 1
        place = min(int(values["number"] or 0), last)
        pair = (which, chosen.prompt, place)
        told = correcting.told(shown.corrections)
        return {
            "number": Piece((which, chosen.prompt), lambda: gr.update(
                maximum=max(last, 1), **unless_shown(place, values["number"]))),
            "slider": Piece(pair, lambda: gr.update(value=pictures.large(chosen, place))),
            "pair_words": Piece((pair, tuple(bars)), lambda: pictures.pair_words(chosen, place, bars)),
            "fixes": Piece(told, lambda: told),
            "unfix": Piece(bool(told), lambda: gr.update(visible=bool(told))),
        }

    def fix(self, values: Values) -> Updates:
        def added(shown: JobView) -> Sequence[Correction]:
            prompts = [c.prompt for c in shown.comparisons]
            prompt = values["prompt"] if values["prompt"] in prompts else prompts[0]
            one = correcting.correction(prompt, values["fix_side"], int(values["number"] or 0), values["fix_class"])
            return with_correction(shown.corrections, one)
        return self.correcting(values, added)

    def unfix(self, values: Values) -> Updates:
        return self.correcting(values, lambda shown: ())

    def correcting(self, values: Values, corrections) -> Updates:
        """Stores what `corrections` makes of the comparison on show; what cannot be is a red banner."""
        try:
            if shown := self.desk.shown(self.desk.view_of(values["job_id"])):
                self.desk.runner.correct(shown.job_id, corrections(shown))
            return self.desk.refresh(values, self.room)
        except (UserError, OSError) as error:
            return {"banner": render.banner(Failure(words_for(error), "Nothing was corrected."))}
