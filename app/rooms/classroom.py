"""Classroom: students guess who a model paints before they see it; the teacher asks, closes and reveals."""

import secrets
from collections.abc import Callable
from typing import Any

import gradio as gr

from app import words
from app.html import pictures, render
from app.html.fragment import fragment, note
from app.jobs.files import Failure, JobView
from app.page import QUIET, Page, Piece, Updates, Values, known_or_first, unless_shown
from app.rooms.class_link import head, page_address
from app.rooms.desk import Desk
from app.rooms.lesson import (CLOSED, OPEN, REVEALED, WAITING, Classroom, ClassroomError, Lesson, Question, guess_count,
                              guesses_figure, truth)
from fairness_core.errors import UserError
from fairness_core.plots import concept_name
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import load_attributes

STATES = {WAITING: "The teacher has asked nothing yet: the question appears here by itself.", OPEN: "Guessing is open.",
          CLOSED: "Guessing is closed.", REVEALED: "Revealed."}
GONE = "The run with these pictures was deleted, so there is nothing to reveal: the teacher can ask about another one."


class ClassroomRoom:
    view_inputs = ("class_name", "class_key", "class_prompt", "class_student")
    shows = ("class_about", "class_door", "class_inside", "class_message", "class_head", "class_desk", "class_seat", "class_question",
             "class_close", "class_figure", "class_pictures", "class_prompt")
    linked = ("class_student", "class_name", "class_key", "tabs")  # what a link to a class may set

    def __init__(self, desk: Desk):
        self.desk = desk
        self.classroom = Classroom()

    def build(self, page: Page) -> None:
        with gr.Tab("Classroom", id="classroom"):
            page["class_about"] = gr.Markdown(words.CLASSROOM)
            for name in ("class_name", "class_key", "class_student"):  # what the address and this page know
                page[name] = gr.Textbox("", visible=False)
            page["class_message"] = gr.HTML("", elem_id="class-message")
            with gr.Row(equal_height=False) as page["class_door"]:
                page["class_typed"] = gr.Textbox(label="Name of the class", info=words.CLASS_NAME, max_length=24,
                                                 placeholder="oak-7", elem_id="class-name", min_width=220)
                page["class_join"] = gr.Button("Join", elem_id="class-join", elem_classes="low", min_width=120)
                page["class_open"] = gr.Button("Open a class and teach it", elem_id="class-open", elem_classes="low",
                                               min_width=160)
            with gr.Column(visible=False) as page["class_inside"]:
                page["class_head"] = gr.HTML("", elem_id="class-head")
                with gr.Column(visible=False) as page["class_desk"]:
                    self.build_desk(page)
                page["class_question"] = gr.HTML("", elem_id="class-question", js_on_load="openOnQuestion(element)")
                with gr.Row(equal_height=False, visible=False) as page["class_seat"]:
                    page["class_guess"] = gr.Slider(0, 100, 50, step=1, label="Your guess, of 100 pictures", scale=3,
                                                    elem_id="class-guess", buttons=[], min_width=260)
                    page["guess"] = gr.Button("Guess", variant="primary", elem_id="guess", min_width=120)
                page["class_figure"] = gr.Plot(show_label=False, visible=False, elem_id="class-figure")
                page["class_pictures"] = gr.HTML("", elem_id="class-pictures", js_on_load="enlarge(element)")

    def build_desk(self, page: Page) -> None:
        """The teacher's."""
        with gr.Row():
            page["class_prompt"] = gr.Dropdown([], label="Pictures of", info=words.CLASS_PROMPT, elem_id="class-prompt",
                                               min_width=220)
            page["class_asked"] = gr.Dropdown(render.class_choices(), value=render.class_choices()[0][1], label="How many are",
                                              info=words.CLASS_ASKED, elem_id="class-asked", min_width=220)
        with gr.Row():
            page["class_ask"] = gr.Button("Ask this", variant="primary", elem_id="class-ask", min_width=120)
            page["class_close"] = gr.Button("Close guessing", elem_id="class-close", min_width=120)
            page["reveal"] = gr.Button("Reveal to the class", elem_id="reveal", min_width=120)

    def wire(self, page: Page) -> None:
        for trigger, handler in ((page["class_join"].click, self.join), (page["class_typed"].submit, self.join),
                                 (page["class_open"].click, self.open_class)):
            self.desk.redraws(page, trigger, self, handler, ("class_typed",), ("class_name", "class_key")).then(
                None, [page["class_name"], page["class_key"]], None, js="rememberClass", **QUIET)
        reads = ("class_asked", "class_guess")
        for name, handler in (("class_ask", self.ask), ("class_close", self.close), ("reveal", self.reveal),
                              ("guess", self.guess)):
            self.desk.redraws(page, page[name].click, self, handler, reads)

    def from_link(self, name: str, key: str) -> Updates:
        """A page that opens: a student's id of its own, and the class in its address."""
        shown: Updates = {"class_student": secrets.token_hex(8)}
        return shown | ({"class_name": name, "class_key": key, "tabs": gr.update(selected="classroom")} if name else {})

    # ------------------------------------------------------------ what is seen

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        name, key = values["class_name"], values["class_key"]
        try:
            lesson = self.classroom.lesson(name) if name else None
            lost = ""
        except ClassroomError as error:
            lesson, lost = None, render.banner(Failure(str(error), ""))
        inside = lesson is not None
        pieces = {"class_about": Piece(inside, lambda: gr.update(visible=not inside)),
                  "class_door": Piece(inside, lambda: gr.update(visible=not inside)),
                  "class_inside": Piece(inside, lambda: gr.update(visible=inside)),
                  "class_message": Piece((name, lost, lesson and lesson.state), lambda: lost)}
        if inside:
            pieces |= self.inside(name, lesson, self.classroom.teaches(name, key), self.desk.shown(view), values)
        return pieces

    def inside(self, name: str, lesson: Lesson, teaches: bool, shown: JobView | None, values: Values) -> dict[str, Piece]:
        said, revealed, address = asked(lesson, teaches), lesson.state == REVEALED, page_address()
        found = self.asked_about(lesson.question) if revealed else None
        own = lesson.guesses.get(values["class_student"])
        seat, turn = not teaches and lesson.state == OPEN, "Open again" if lesson.state == CLOSED else "Close guessing"
        pieces = {
            "class_head": Piece((name, teaches, address), lambda: head(name, teaches, address)),
            "class_desk": Piece(teaches, lambda: gr.update(visible=teaches)),
            "class_seat": Piece(seat, lambda: gr.update(visible=seat)),
            "class_question": Piece(said, lambda: said),
            "class_close": Piece(turn, lambda: turn),
            "class_figure": Piece((lesson, own) if found else "hidden", lambda: gr.update(
                visible=bool(found), value=self.figure(lesson, *found, own) if found else None)),
            "class_pictures": Piece((lesson.question, bool(found)) if revealed else "", lambda: (
                pictures.pairs(found[1], [lesson.question.attribute]) if found else note(GONE) if revealed else ""))}
        if teaches and shown:
            comparisons = shown.comparisons
            prompts = [c.prompt for c in comparisons]
            chosen = values["class_prompt"] if values["class_prompt"] in prompts else prompts[0]
            pieces["class_prompt"] = Piece((tuple(prompts), chosen), lambda: gr.update(
                choices=render.prompt_choices(comparisons), **unless_shown(chosen, values["class_prompt"])))
        return pieces

    def asked_about(self, question: Question) -> tuple[JobView, PromptComparison] | None:
        """The pictures that the teacher asked about; none when they were deleted since."""
        view = self.desk.view_if_any(question.job_id)
        compared = view and next((c for c in view.comparisons if c.prompt == question.prompt), None)
        return (view, compared) if compared else None

    def figure(self, lesson: Lesson, view: JobView, compared: PromptComparison, own: int | None) -> Any:
        """The guesses beside what was counted in the pictures. own: the guess of who looks."""
        question = lesson.question
        after = truth(compared.tuned, question) if view.source else None
        return guesses_figure(list(lesson.guesses.values()), question, truth(compared.original, question), after, own)

    # ------------------------------------------------------------ what is done

    def join(self, values: Values) -> Updates:
        def enter() -> Updates:
            name = typed(values)
            self.classroom.lesson(name)
            return {"class_name": name, "class_key": ""}
        return self.doing(values, enter)

    def open_class(self, values: Values) -> Updates:
        return self.doing(values, lambda: {"class_name": typed(values),
                                           "class_key": self.classroom.open_class(typed(values))})

    def ask(self, values: Values) -> Updates:
        def asked() -> None:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            if shown is None or not values["class_prompt"]:
                raise ClassroomError("There are no pictures to ask about yet: finetune or compare first.")
            prompt = known_or_first(values["class_prompt"], render.prompt_choices(shown.comparisons))
            asked_of = known_or_first(values["class_asked"], render.class_choices())
            question = Question(shown.job_id, prompt, *asked_of.split(":"))
            self.classroom.ask(values["class_name"], values["class_key"], question)
        return self.doing(values, asked)

    def close(self, values: Values) -> Updates:
        return self.doing(values, lambda: self.classroom.close(values["class_name"], values["class_key"]))

    def reveal(self, values: Values) -> Updates:
        return self.doing(values, lambda: self.classroom.reveal(values["class_name"], values["class_key"]))

    def guess(self, values: Values) -> Updates:
        said = "Your guess is in. Guess again to change it, as long as guessing is open."
        return self.doing(values, lambda: self.classroom.guess(
            values["class_name"], values["class_student"], min(values["class_guess"], 100)), said)

    def doing(self, values: Values, do: Callable[[], Updates | None], said: str = "") -> Updates:
        """Bad input becomes a message in the room and changes nothing."""
        try:
            known = do() or {}
        except UserError as error:
            return {"class_message": render.banner(Failure(str(error), ""))}
        return known | self.desk.refresh(values | known, self) | {"class_message": note(said, live=True) if said else ""}


def typed(values: Values) -> str:
    return (values["class_typed"] or "").strip().lower()


# ---------------------------------------------------------------- words

def asked(lesson: Lesson, teaches: bool) -> str:
    """The question, what stage it is at, and how many have guessed."""
    if lesson.question is None:
        return fragment("class_waiting", text=words.CLASS_ASK if teaches else STATES[WAITING])
    attribute = load_attributes()[lesson.question.attribute]
    label = next(c.label for c in attribute.classes if c.name == lesson.question.class_name)
    return fragment("class_question", concept=concept_name(lesson.question.prompt), label=label,
                    attribute=attribute.label.lower(), state=STATES[lesson.state], guesses=guess_count(lesson.guesses),
                    hidden=lesson.state != REVEALED)
