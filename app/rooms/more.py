"""Asking the comparison for more: more images, prompts outside the training, another strength of the adapter."""

from collections.abc import Callable
from dataclasses import replace

import gradio as gr

from app import words
from app.html import measures
from app.jobs.files import JobError, JobRequest, JobView
from app.page import Page, Piece, Updates, Values
from app.requests import settings
from app.rooms.desk import Desk
from fairness_core.models.registry import languages_of
from fairness_core.report.record import verdicts
from fairness_core.settings.context import context_prompts
from fairness_core.settings.prompts import load_concepts

MOST_AT_ONCE = 64


class MorePart:
    shows = ("dial", "more_images")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build_button(self, page: Page) -> None:
        page["more_images"] = gr.Button("More images", size="md", elem_id="more-images")

    def build(self, page: Page) -> None:
        with gr.Accordion("Other prompts, other strength", open=False, elem_id="more"):
            with gr.Row(equal_height=False):
                concepts = load_concepts()
                page["other_prompts"] = gr.Dropdown(
                    [*concepts.held_out, *concepts.train], value=[], multiselect=True, allow_custom_value=True,
                    label="Prompts to add", info=words.OTHER_PROMPTS, elem_id="other-prompts", scale=3, min_width=280)
                with gr.Column(scale=1, min_width=150):
                    page["add_prompts"] = gr.Button("Paint these too", elem_id="add-prompts")
                    page["all_concepts"] = gr.Button("Every concept", elem_id="all-concepts")
                    page["in_context"] = gr.Button("Roles said in words", elem_id="in-context")
            with gr.Row(equal_height=False) as page["dial"]:
                page["strength"] = gr.Slider(0, 1.5, 1.0, step=.1, label="Strength", info=words.STRENGTH, scale=3,
                                             elem_id="strength", buttons=[], min_width=280)
                page["rerender"] = gr.Button("Paint again", elem_id="rerender", elem_classes="low", min_width=150)

    def wire(self, page: Page) -> None:
        page.asks(page["rerender"].click, self.rerender, ("strength",))
        page.asks(page["more_images"].click, self.more_images)
        page.asks(page["add_prompts"].click, self.add_prompts, ("other_prompts",))
        page.on(page["all_concepts"].click, lambda values: {
            "other_prompts": [*load_concepts().held_out, *load_concepts().train]}, (), ("other_prompts",))
        page.on(page["in_context"].click, self.in_context, ("job_id",), ("other_prompts",))

    def pieces(self, shown: JobView) -> dict[str, Piece]:
        images, wanted = shown.request.images, self.wanted(shown)
        adapter = shown.adapter or (self.desk.source_of(shown) or shown).adapter
        label = f"Paint {wanted} more images per prompt (no. {images} to {images + wanted - 1})"
        return {"dial": Piece(adapter is not None, lambda: gr.update(visible=adapter is not None)),
                "more_images": Piece((wanted, images), lambda: gr.update(visible=wanted > 0, value=label))}

    def wanted(self, shown: JobView) -> int:
        """How many more images the button paints; none when the verdicts are clear, or while some are being painted."""
        if shown.is_active:
            return 0
        told = measures.images_wanted(verdicts(shown.comparisons, shown.request.config))
        return min(told, MOST_AT_ONCE, settings.MOST_IMAGES - shown.request.images)

    def rerender(self, values: Values) -> Updates:
        """The pictures on show again, with another strength of the adapter."""
        return self.asking(values, lambda shown: settings.again(shown, extends="", strength=float(values["strength"])))

    def more_images(self, values: Values) -> Updates:
        return self.asking(values, lambda shown: settings.again(
            shown, images=shown.request.images + self.wanted(shown), extends=shown.job_id))

    def add_prompts(self, values: Values) -> Updates:
        def request(shown: JobView) -> JobRequest:
            added = settings.checked_prompts([settings.as_prompt(p) for p in values["other_prompts"] or ()])
            asked = settings.again(shown, extends=shown.job_id)
            return replace(asked, compare_prompts=tuple(dict.fromkeys((*asked.compare_prompts, *added))))
        return self.asking(values, request)

    def in_context(self, values: Values) -> Updates:
        """Prompts in context that the run on show was not finetuned on, in the languages that its model reads."""
        shown = self.desk.shown(self.desk.view_of(values["job_id"]))
        if shown is None:
            return {}
        config = shown.request.config
        return {"other_prompts": list(context_prompts(languages_of(config.model), config.prompts))}

    def asking(self, values: Values, request: Callable[[JobView], JobRequest]) -> Updates:
        """Submits what `request` makes of the comparison on show."""
        def ask() -> str:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            if shown is None:
                raise JobError("There is nothing to add to yet: finetune first.")
            return self.desk.runner.submit(request(shown))
        return self.desk.submitting(values, ask)
