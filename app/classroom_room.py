"""Classroom: students guess who a model paints before they see it."""

import re

import gradio as gr

from app import help as words
from app import render
from app.classroom import Classroom, ClassroomError, Question, guesses_figure, truth
from app.handlers import Desk
from app.job_files import Failure, JobView
from app.page import Page, Piece, Updates, Values

CLASS_NAME = re.compile(r"[a-z0-9-]{1,24}")


class ClassroomRoom:
    view_inputs = ("class_name", "class_prompt", "class_asked")

    def __init__(self, desk: Desk):
        self.desk = desk
        self.classroom = Classroom()

    def build(self, page: Page) -> None:
        with gr.Tab("Classroom"):
            gr.Markdown(words.CLASSROOM)
            page["class_message"] = gr.HTML("", elem_id="class-message")
            with gr.Row():
                page["class_name"] = gr.Textbox("", label="Name of your class", info=words.CLASS_NAME, max_length=24,
                                                placeholder="oak-7", elem_id="class-name", min_width=220)
                page["class_prompt"] = gr.Dropdown([], label="Pictures of", info=words.CLASS_PROMPT,
                                                   elem_id="class-prompt", min_width=220)
                page["class_asked"] = gr.Dropdown(render.class_choices(), value=render.class_choices()[0][1],
                                                  label="How many are", info=words.CLASS_ASKED, elem_id="class-asked",
                                                  min_width=220)
            with gr.Row(equal_height=False):
                page["class_guess"] = gr.Slider(0, 100, 50, step=1, label="Your guess, of 100 pictures", scale=3,
                                                elem_id="class-guess", buttons=[], min_width=260)
                page["guess"] = gr.Button("Guess", variant="primary", elem_id="guess", min_width=120)
                page["reveal"] = gr.Button("Reveal to the class", elem_id="reveal", min_width=120)
            page["class_count"] = gr.HTML("", elem_id="class-count")
            page["class_figure"] = gr.Plot(show_label=False, visible=False, elem_id="class-figure")

    def wire(self, page: Page) -> None:
        for name in self.view_inputs:
            page.on(page[name].input, self.desk.refresh, page.view_inputs)
        page.on(page["guess"].click, self.guess, (*page.view_inputs, "class_guess"))
        page.on(page["reveal"].click, self.reveal, page.view_inputs)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        shown = self.desk.shown(view)
        if shown is None:
            return {"class_count": Piece("none", lambda: words.EMPTY_CLASS)}
        comparisons = shown.comparisons
        prompts = tuple(c.prompt for c in comparisons)
        chosen = next((c for c in comparisons if c.prompt == values["class_prompt"]), comparisons[0])
        name, question = values["class_name"] or "", self.question(values, chosen.prompt)
        answers = self.classroom.answers(name, question)
        after = truth(chosen.tuned, question) if shown.source else None
        key = (name, question, tuple(answers.guesses), answers.revealed, shown.job_id, len(chosen.original.numbers))
        count = f"{len(answers.guesses)} guesses are in. " + (
            "Revealed." if answers.revealed else "Nobody sees them before the answer is revealed.")
        return {
            "class_prompt": Piece((prompts, chosen.prompt), lambda: gr.update(
                choices=render.prompt_choices(comparisons), value=chosen.prompt)),
            "class_count": Piece(count, lambda: f'<div class="note" role="status">{count}</div>'),
            "class_figure": Piece(key if answers.revealed else "hidden", lambda: gr.update(
                visible=answers.revealed, value=guesses_figure(answers, question, truth(chosen.original, question), after)
                if answers.revealed else None)),
        }

    def question(self, values: Values, prompt: str) -> Question:
        return Question(prompt, *values["class_asked"].split(":"))

    def guess(self, values: Values) -> Updates:
        return self.answering(values, lambda name, question: self.classroom.guess(name, question, values["class_guess"]),
                              "Your guess is in.")

    def reveal(self, values: Values) -> Updates:
        return self.answering(values, self.classroom.reveal, "")

    def answering(self, values: Values, do, said: str) -> Updates:
        """Bad input becomes a message in the room and changes nothing."""
        name = (values["class_name"] or "").strip().lower()
        try:
            if not CLASS_NAME.fullmatch(name):
                raise ClassroomError("Type the name of your class first: letters, digits and hyphens, the same for all.")
            if not values["class_prompt"]:
                raise ClassroomError("There are no pictures to guess about yet: finetune or compare first.")
            do(name, self.question(values, values["class_prompt"]))
        except ClassroomError as error:
            return {"class_message": render.banner(Failure(str(error), ""))}
        return {"class_name": name, "class_message": f'<div class="note" role="status">{said}</div>' if said else ""
                } | self.desk.refresh(values | {"class_name": name})
