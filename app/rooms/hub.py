"""Publishing a run on the Hugging Face hub with the visitor's own token, which is used once and kept nowhere."""

import logging
import traceback

import gradio as gr

from app import words
from app.html.fragment import fragment, note
from app.html.render import banner
from app.jobs.files import Failure, JobView
from app.page import Page, Updates, Values
from app.rooms.desk import Desk
from fairness_core.errors import UserError, words_for

log = logging.getLogger(__name__)


class HubPart:
    shows = ("hub", "hub_note", "hub_token")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        with gr.Accordion("Publish on the Hugging Face hub", open=False, visible=False, elem_id="hub") as page["hub"]:
            gr.HTML(note(words.HUB))
            with gr.Row():
                page["hub_name"] = gr.Textbox(label="Repository", placeholder="your-name/fair-portraits", max_lines=1,
                                              info=words.HUB_NAME, elem_id="hub-name", min_width=220)
                page["hub_token"] = gr.Textbox(
                    label="Your token", type="password", info=words.HUB_TOKEN, elem_id="hub-token", min_width=220,
                    max_lines=1, html_attributes=gr.InputHTMLAttributes(autocomplete="off"))
            with gr.Row(equal_height=False):
                page["hub_private"] = gr.Checkbox(True, label="Private: only you see it", elem_id="hub-private")
                page["hub_push"] = gr.Button("Publish", elem_id="hub-push", min_width=120)
            page["hub_note"] = gr.HTML("", elem_id="hub-note")

    def wire(self, page: Page) -> None:
        page.on(page["hub_push"].click, self.push, ("run", "hub_name", "hub_token", "hub_private"), ("hub_token", "hub_note"),
                show_progress="minimal", show_progress_on=[page["hub_note"]], trigger_mode="once")

    def push(self, values: Values) -> Updates:
        """Whatever comes of it, the token leaves the page, and neither the page nor the log shows it."""
        token = str(values["hub_token"] or "").strip()
        try:
            address = self.desk.runner.publish(values["run"], values["hub_name"], token, bool(values["hub_private"]))
        except Exception as error:  # whatever it is, the page must hear of it and lose the token
            return {"hub_token": "", "hub_note": banner(failure(error, token))}
        return {"hub_token": "", "hub_note": fragment("published", address=address)}

    def shown(self, view: JobView) -> Updates:
        """Only an adapter with a target of its own has figures to publish."""
        config = view.request.config
        return {"hub": gr.update(visible=view.adapter is not None and bool(config.marginals or config.joint)),
                "hub_note": "", "hub_token": ""}


def failure(error: Exception, token: str) -> Failure:
    """What stood in the way of publishing, in words for people; what nobody foresaw goes to the log as well."""
    todo = "Nothing was changed here."
    if isinstance(error, UserError | OSError):
        return Failure(without(token, words_for(error)), todo)
    log.error("publishing failed: %s", without(token, "".join(traceback.format_exception(error))))
    told = without(token, f"{type(error).__name__}: {error}")
    return Failure(f"Publishing failed: {told}", f"{todo} Try again; if it happens again, report it with the server's log.")


def without(token: str, text: str) -> str:
    return text.replace(token, "…") if token else text
