"""Asking the comparison for more: more images, prompts outside the training."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import gradio as gr

from app import words
from app.html import measures
from app.html.headlines import compared
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
    shows = ("more_images", "compared", "rest")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build_buttons(self, page: Page) -> None:
        page["compared"] = gr.HTML("", elem_id="compared")
        with gr.Row():
            page["rest"] = gr.Button("Paint what was left out", size="md", elem_id="rest", visible=False)
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
                    page["in_context"] = gr.Button("Roles said in words", elem_id="in-context")

    def wire(self, page: Page) -> None:
        page.asks(page["more_images"].click, self.more_images)
        page.asks(page["rest"].click, self.paint_rest)
        page.asks(page["add_prompts"].click, self.add_prompts, ("other_prompts",))
        page.on(page["all_concepts"].click, lambda values: {
            "other_prompts": [*load_concepts().held_out, *load_concepts().train]}, (), ("other_prompts",))
        page.on(page["in_context"].click, self.in_context, ("job_id",), ("other_prompts",))

    def pieces(self, shown: JobView) -> dict[str, Piece]:
        images, wanted = shown.request.images, self.wanted(shown)
        label = f"Paint {wanted} more images per prompt (no. {images} to {images + wanted - 1})"
        rest = self.rest(shown)
        told = "" if shown.recorded else compared(shown.comparisons, shown.request.config, settings.left_out(shown))
        return {"compared": Piece(told, lambda: told),
                "rest": Piece(len(rest), lambda: gr.update(
                    visible=bool(rest), value=f"Paint {len(rest)} of the prompts left out, too")),
                "more_images": Piece((wanted, images), lambda: gr.update(visible=wanted > 0, value=label))}

    def wanted(self, shown: JobView) -> int:
        """How many more images the button paints; none when the verdicts are clear, or while some are being painted."""
        if shown.is_active:
            return 0
        told = measures.images_wanted(verdicts(shown.comparisons, shown.request.config))
        return min(told, MOST_AT_ONCE, settings.MOST_IMAGES - shown.request.images)

    def rest(self, shown: JobView) -> list[str]:
        """What a button adds to the comparison: of what was left out what was finetuned on, else held-out ones; none while
        some are being painted, or of a recorded run, which nobody here asked for."""
        left_out, finetuned_on = settings.left_out(shown), shown.request.config.prompts
        room = settings.MOST_PROMPTS - len(shown.comparisons)
        return [] if shown.is_active or shown.recorded else ([p for p in left_out if p in finetuned_on] or left_out)[:room]

    def more_images(self, values: Values) -> Updates:
        return self.asking(values, lambda shown: settings.again(
            shown, images=shown.request.images + self.wanted(shown), extends=shown.job_id))

    def paint_rest(self, values: Values) -> Updates:
        return self.asking(values, lambda shown: with_prompts(shown, self.rest(shown)))

    def add_prompts(self, values: Values) -> Updates:
        return self.asking(values, lambda shown: with_prompts(
            shown, settings.checked_prompts([settings.as_prompt(p) for p in values["other_prompts"] or ()])))

    def in_context(self, values: Values) -> Updates:
        """Prompts in context that the run on show was not finetuned on, in the languages that its model reads."""
        shown = self.desk.shown(self.desk.view_if_any(values["job_id"]))
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


def with_prompts(shown: JobView, added: Sequence[str]) -> JobRequest:
    """The comparison on show with more prompts behind those that it has."""
    asked = settings.again(shown, extends=shown.job_id)
    return replace(asked, compare_prompts=tuple(dict.fromkeys((*asked.compare_prompts, *added))))
