"""The viewer of a pair: large, with a slider between original and debiased; the classifier's errors put right, and the
strength dialled, in it."""

import gradio as gr

from app import words
from app.html import render
from app.html.fragment import fragment, note
from app.jobs.files import Failure, JobView
from app.page import Page, Piece, Updates, Values
from app.rooms import correcting
from app.rooms.compare_figures import of_prompt
from app.rooms.desk import Desk, Room
from app.rooms.dial import DialPart
from fairness_core.errors import UserError, words_for
from fairness_core.runs.corrections import Correction, with_correction


class PairPart:
    view_inputs = ()
    shows = ("fixes", "unfix", *DialPart.shows)

    def __init__(self, desk: Desk, room: Room):
        self.desk, self.room = desk, room
        self.dial = DialPart(desk)

    def build(self, page: Page) -> None:
        """Outside of all tabs: whatever shows pairs opens it."""
        with gr.Column(elem_id="viewer"):
            page["viewed_number"] = gr.Number(0, visible=False, precision=0, minimum=0)  # the browser knows which it is
            page["repainted"] = gr.HTML("", elem_id="repainted")
            gr.HTML(fragment("viewer"), js_on_load="viewer(element)", elem_id="viewer-stage")
            with gr.Column(elem_classes="of-the-run-only"):
                self.dial.build(page)
                with gr.Accordion("The classifier got it wrong?", open=False, elem_id="correct"):
                    gr.HTML(note(words.CORRECT))
                    with gr.Row():
                        page["fix_side"] = gr.Radio([("Original", "original"), ("Debiased", "tuned")], value="tuned",
                                                    label="Which of the two", elem_id="fix-side", min_width=200)
                        page["fix_class"] = gr.Dropdown(correcting.choices(), value=correcting.choices()[0][1],
                                                        label="What you see", elem_id="fix-class", min_width=200)
                    with gr.Row():
                        page["fix"] = gr.Button("Correct it", elem_id="fix", min_width=110)
                        page["unfix"] = gr.Button("Undo all", elem_id="unfix", min_width=110, visible=False)
                    page["fixes"] = gr.HTML("", elem_id="fixes")

    def wire(self, page: Page) -> None:
        self.desk.redraws(page, page["fix"].click, self.room, self.fix, ("fix_side", "fix_class", "viewed_number"), js="viewedPair")
        self.desk.redraws(page, page["unfix"].click, self.room, self.unfix)
        self.dial.wire(page)

    def pieces(self, shown: JobView, view: JobView | None) -> dict[str, Piece]:
        told = correcting.told(shown.corrections)
        return {"fixes": Piece(told, lambda: told), "unfix": Piece(bool(told), lambda: gr.update(visible=bool(told))),
                **self.dial.pieces(shown, view)}

    def fix(self, values: Values) -> Updates:
        def added(shown: JobView) -> tuple[Correction, ...]:
            prompt = of_prompt(shown.comparisons, values["prompt"]).prompt
            one = correcting.correction(prompt, values["fix_side"], int(values["viewed_number"] or 0), values["fix_class"])
            return with_correction(shown.corrections, one)
        return self.correcting(values, added)

    def unfix(self, values: Values) -> Updates:
        return self.correcting(values, lambda shown: ())

    def correcting(self, values: Values, corrections) -> Updates:
        """Stores what `corrections` makes of the comparison on show; what cannot be is told where it was asked."""
        try:
            if shown := self.desk.shown(self.desk.view_of(values["job_id"])):
                self.desk.runner.correct(shown.job_id, corrections(shown))
            return self.desk.refresh(values, self.room)
        except (UserError, OSError) as error:
            return {"fixes": render.banner(Failure(words_for(error), "Nothing was corrected."))}
