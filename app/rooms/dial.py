"""The adapter's strength: one pair is painted anew where it is looked at, all of them when asked."""

import gradio as gr

from app import words
from app.html import pictures, render
from app.html.fragment import fragment, note
from app.jobs.files import JobError, JobView
from app.page import Page, Piece, Updates, Values
from app.requests import settings
from app.rooms.compare_figures import identity, of_prompt
from app.rooms.desk import Desk
from app.text import duration
from fairness_core.errors import UserError, words_for
from fairness_core.settings.attributes import load_attributes

STRONGEST = 1.5


class DialPart:
    shows = ("dial", "repainted", "dial_told", "rerender")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        with gr.Column(visible=False, elem_classes="tight") as page["dial"]:
            page["strength"] = gr.Slider(0, STRONGEST, 1.0, step=.1, label="Strength", info=words.STRENGTH, elem_id="strength",
                                         buttons=[])
            with gr.Row(equal_height=False):
                page["rerender"] = gr.Button("Paint all pairs at this strength", elem_id="rerender", min_width=200)
                page["dial_told"] = gr.HTML("", elem_id="dial-told", min_width=220)

    def wire(self, page: Page) -> None:
        asked = page.on(page["strength"].input, self.repaint, ("job_id", "prompt", "bars", "strength", "viewed_number"),
                        ("repainted", "dial_told"), trigger_mode="always_last", js="repaintPair")
        for answered in (asked.then, asked.failure):
            answered(None, None, None, js="pairRepainted", api_visibility="private")
        page.asks(page["rerender"].click, self.rerender, ("strength",))

    def pieces(self, shown: JobView, view: JobView | None) -> dict[str, Piece]:
        """What is painted anew is of the comparison on show, and goes with it."""
        adapter = shown.adapter or (self.desk.source_of(shown) or shown).adapter
        painting = view is not None and view.is_active
        told = self.told(shown, view)
        return {"dial": Piece(adapter is not None, lambda: gr.update(visible=adapter is not None)),
                "repainted": Piece((identity(shown), shown.request.strength), lambda: ""),
                "dial_told": Piece(told, lambda: told),
                "rerender": Piece(painting, lambda: gr.update(interactive=not painting))}

    def told(self, shown: JobView, view: JobView | None) -> str:
        """What all pairs would take; while something is at work, how far it is."""
        if view is not None and view.is_active:
            return render.status(view)
        pairs = sum(len(c.original.numbers) for c in shown.comparisons)
        seconds = self.desk.runner.paces.of_pair(shown.request.config)
        time = f"about {duration(seconds * pairs)}, as measured here" if seconds else "how long is told once a pair was painted here"
        return note(f"{pairs} pairs of {len(shown.comparisons)} prompts: {time}.")

    def repaint(self, values: Values) -> Updates:
        """The pair in the viewer at another strength; at the comparison's own it is there already."""
        strength = min(values["strength"], STRONGEST)
        shown = self.desk.shown(self.desk.view_if_any(values["job_id"]))
        try:
            if shown is None or strength == shown.request.strength:
                return {"repainted": ""}
            compared, number = of_prompt(shown.comparisons, values["prompt"]), int(values["viewed_number"] or 0)
            if number not in compared.original.numbers:
                raise JobError("This pair is no longer on the page: open another.")
            pair = self.desk.runner.paint_pair(shown, compared.prompt, number, strength)
        except (UserError, OSError) as error:
            return {"repainted": "", "dial_told": fragment("wrong", text=words_for(error), role="alert")}
        bars = [name for name in load_attributes() if name in values["bars"]]
        return {"repainted": pictures.repainted(pair, strength, bars), "dial_told": self.told(shown, None)}

    def rerender(self, values: Values) -> Updates:
        """The pictures on show again, with another strength of the adapter."""
        def ask() -> str:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            if shown is None:
                raise JobError("There is nothing to paint again yet: finetune first.")
            return self.desk.runner.submit(settings.again(shown, extends="", strength=min(values["strength"], STRONGEST)))
        return self.desk.submitting(values, ask)
