"""Settings kept, handed on and taken up again: as a file, or in the link to this page."""

import gradio as gr

from app import words
from app.html.fragment import fragment, note
from app.html.render import banner
from app.jobs.files import Failure, JobView
from app.page import QUIET, Page, Piece, Updates, Values
from app.requests import settings
from app.requests.page_values import page_values
from app.requests.settings_text import LONGEST_TEXT, InputError, as_token, as_yaml, from_token, parsed
from app.rooms.desk import Desk
from app.rooms.finetune import COMPARED, SETTINGS_INPUTS, TRAINED
from app.rooms.target import TARGET_SHOWN
from fairness_core.errors import UserError
from fairness_core.settings.config import FinetuneConfig

LOADED = (*TARGET_SHOWN, *TRAINED, *COMPARED, "model", "free_text", "concepts", "loaded", "length", "filled_for",
          "experiment", "estimate", "loaded_note", "banner")


class SettingsRoom:
    view_inputs = shows = ()

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        experiments = self.desk.experiments.values()
        page["experiment"] = gr.Dropdown([(p.label, p.name) for p in experiments], value=None, elem_id="experiment",
                                         label="Or a published experiment", info=words.EXPERIMENT,
                                         visible=bool(experiments))
        with gr.Row():
            page["save"] = gr.Button("Save settings", size="sm", elem_id="save-settings", min_width=110)
            page["load"] = gr.UploadButton("Load settings", size="sm", file_types=[".yaml", ".yml"],
                                           elem_id="load-settings", min_width=110)
            page["link"] = gr.Button("Copy link", size="sm", elem_id="copy-link", min_width=110)
        gr.HTML(note(words.SETTINGS_NOTE))
        page["link_text"] = gr.Textbox("", label="Link to these settings", visible=False, interactive=False, max_lines=1,
                                       buttons=["copy"], elem_id="link-text")
        page["outgoing"] = gr.Textbox("", visible=False)  # what the browser saves or copies

    def build_note(self, page: Page) -> None:
        """What was loaded, where it is seen."""
        page["loaded_note"] = gr.HTML(note(""), elem_id="loaded-note")

    def wire(self, page: Page) -> None:
        for name, handler, script, filled in (("save", self.save, "saveFile", None),
                                              ("link", self.link, "copyLink", [page["link_text"]])):
            page.on(page[name].click, handler, SETTINGS_INPUTS, ("outgoing", "banner", "link_text")).then(
                None, [page["outgoing"]], filled, js=script, **QUIET)
        page.on(page["load"].upload, self.load, ("load",), LOADED)
        page.on(page["experiment"].input, self.experiment_chosen, ("experiment",), LOADED)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """The settings are the visitor's: no job changes them."""
        return {}

    def save(self, values: Values) -> Updates:
        return self.handed_on(values, as_yaml)

    def link(self, values: Values) -> Updates:
        handed_on = self.handed_on(values, as_token)
        return handed_on | {"link_text": gr.update(visible=bool(handed_on["outgoing"]))}

    def handed_on(self, values: Values, write) -> Updates:
        """The settings on the page as text; what could not be started is not handed on either."""
        try:
            request = settings.finetune_request(values, self.desk.length(values).config)
        except UserError as error:
            return {"outgoing": "", "banner": banner(Failure(str(error), "Change it, then save or copy again."))}
        return {"outgoing": write(request.config), "banner": ""}

    def load(self, values: Values) -> Updates:
        path = values["load"]
        if path is None:
            return refused("No file came with this: choose one again.")
        try:
            if path.stat().st_size > LONGEST_TEXT:
                raise InputError("These are no settings of a finetune: the file is too large.")
            text = path.read_text(encoding="utf-8")
            return self.shown(parsed(text), path.name)
        except UnicodeDecodeError:
            return refused("These are no settings of a finetune: the file is not text.")
        except UserError as error:
            return refused(str(error))

    def experiment_chosen(self, values: Values) -> Updates:
        """Target, prompts and settings of a preset, with what it does and how long it takes; nothing where none is
        chosen, as when the field is left again."""
        preset = self.desk.experiments.get(values["experiment"])
        if preset is None:
            return {}
        try:
            shown = self.shown(preset.config, preset.label)
        except UserError as error:
            return refused(str(error))
        return shown | {"experiment": preset.name, "estimate": self.desk.takes(preset, preset.config.steps)}

    def from_link(self, token: str) -> Updates:
        """Settings in the address of a page that opens; none without a token."""
        try:
            return self.shown(from_token(token), "this link") if token else {}
        except UserError as error:
            return refused(str(error))

    def shown(self, config: FinetuneConfig, source: str) -> Updates:
        """The page as `config` has it. Raises UserError when this page or machine cannot."""
        loaded = fragment("loaded_note", source=source, steps=config.steps)
        own = {"length": None, "filled_for": "", "experiment": None, "estimate": self.desk.takes(None, config.steps)}
        return page_values(config, self.desk.runner.engine) | own | {"loaded_note": loaded, "banner": ""}


def refused(what: str) -> Updates:
    return {"banner": banner(Failure(what, "The page was left as it was."))}
