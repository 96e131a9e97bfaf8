"""Asking the comparison for more: more images, prompts outside the training."""

from collections.abc import Callable
from dataclasses import replace

import gradio as gr

from app import words
from app.html import measures
from app.jobs.files import JobError, JobRequest, JobView
from app.page import Page, Piece, Updates, Values
from app.requests import settings
from app.rooms.desk import Desk
from fairness_core.report.record import verdicts
from fairness_core.settings.prompts import load_concepts

MOST_AT_ONCE = 64


class MorePart:
    shows = ("more_images",)

    def __init__(self, desk: Desk):
        self.desk = desk

    def build_button(self, page: Page) -> None:
        page["more_images"] = gr.Button("More images", size="md", elem_id="more-images")

    def build(self, page: Page) -> None:
        with gr.Accordion("Other prompts", open=False, elem_id="more"):
            with gr.Row(equal_height=False):
                concepts = load_concepts()
                page["other_prompts"] = gr.Dropdown(
                    [*concepts.held_out, *concepts.train], value=[], multiselect=True, allow_custom_value=True,
                    label="Prompts to add", info=words.OTHER_PROMPTS, elem_id="other-prompts", scale=3, min_width=280)
                with gr.Column(scale=1, min_width=150):
                    page["add_prompts"] = gr.Button("Paint these too", elem_id="add-prompts")
                    page["all_concepts"] = gr.Button("Every concept", elem_id="all-concepts")

    def wire(self, page: Page) -> None:
        page.asks(page["more_images"].click, self.more_images)
        page.asks(page["add_prompts"].click, self.add_prompts, ("other_prompts",))
        page.on(page["all_concepts"].click, lambda values: {
            "other_prompts": [*load_concepts().held_out, *load_concepts().train]}, (), ("other_prompts",))

    def pieces(self, shown: JobView) -> dict[str, Piece]:
        images, wanted = shown.request.images, self.wanted(shown)
        label = f"Paint {wanted} more images per prompt (no. {images} to {images + wanted - 1})"
        return {"more_images": Piece((wanted, images), lambda: gr.update(visible=wanted > 0, value=label))}

    def wanted(self, shown: JobView) -> int:
        """How many more images the button paints; none when the verdicts are clear, or while some are being painted."""
        if shown.is_active:
            return 0
        told = measures.images_wanted(verdicts(shown.comparisons, shown.request.config))
        return min(told, MOST_AT_ONCE, settings.MOST_IMAGES - shown.request.images)

    def more_images(self, values: Values) -> Updates:
        return self.asking(values, lambda shown: settings.again(
            shown, images=shown.request.images + self.wanted(shown), extends=shown.job_id))

    def add_prompts(self, values: Values) -> Updates:
        def request(shown: JobView) -> JobRequest:
            added = settings.checked_prompts([settings.as_prompt(p) for p in values["other_prompts"] or ()])
            asked = settings.again(shown, extends=shown.job_id)
            return replace(asked, compare_prompts=tuple(dict.fromkeys((*asked.compare_prompts, *added))))
        return self.asking(values, request)

    def asking(self, values: Values, request: Callable[[JobView], JobRequest]) -> Updates:
        """Submits what `request` makes of the comparison on show."""
        def ask() -> str:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            if shown is None:
                raise JobError("There is nothing to add to yet: finetune first.")
            return self.desk.runner.submit(request(shown))
        return self.desk.submitting(values, ask)
