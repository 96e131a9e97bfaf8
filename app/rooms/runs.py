"""The runs: history, one run looked at, someone's adapter, downloads, and a run deleted."""

from typing import Any

import gradio as gr

from app import words
from app.html import pictures, render, run_record
from app.html.fragment import fragment, note
from app.html.glance import glance
from app.jobs.files import ADAPTER, Failure, JobError, JobRequest, JobView
from app.jobs.glances import Glances
from app.page import Page, Piece, Updates, Values
from app.requests import settings
from app.rooms.desk import Desk
from app.rooms.downloads import download
from app.rooms.hub import HubPart
from app.rooms.opening import BESIDES, OPENED, has_settings, place_of, settings_of
from app.rooms.target import TARGET_INPUTS
from fairness_core import runs
from fairness_core.errors import UserError, words_for
from fairness_core.plots import distance_curves, training_curves

RECORD = ("run_name", "run_use", "run_sure", "run_record", "run_about", "run_again", "run_adapter", "run_archive",
          "run_losses", "run_distances", "run_film", "run_compare", *HubPart.shows, "runs_banner")
LIST = ("runs", "no_runs", "run", *RECORD)


class RunsRoom:
    view_inputs = shows = ()

    def __init__(self, desk: Desk):
        self.desk = desk
        self.hub = HubPart(desk)
        self.glances = Glances(desk.runner.runs_root, glance)

    def build(self, page: Page) -> None:
        """In its own tab, which is the room's `tab`."""
        with gr.Tab("Runs") as self.tab:
            page["runs_banner"] = gr.HTML("", elem_id="runs-banner")
            with gr.Row(equal_height=False):
                with gr.Column(scale=4, min_width=340):
                    page["no_runs"] = gr.HTML(fragment("empty", text=words.EMPTY_RUNS))
                    page["runs"] = gr.HTML("", elem_id="runs")
                    page["bring"] = gr.UploadButton("Load an adapter (safetensors)", file_types=[".safetensors"],
                                                    elem_id="bring-adapter")
                    gr.HTML(note(words.BRING))
                with gr.Column(scale=6, min_width=340):
                    page["run"] = gr.Dropdown([], label="Look at a run", info=words.LOOK_AT, visible=False,
                                              elem_id="run")
                    with gr.Column(visible=False, elem_id="run-record") as page["run_record"]:
                        self.record(page)

    def record(self, page: Page) -> None:
        page["run_about"] = gr.HTML("", elem_id="run-about")
        with gr.Row(equal_height=False):
            page["run_name"] = gr.Textbox(label="Name", max_lines=1, placeholder="judges to parity", scale=3, min_width=200,
                                          elem_id="run-name")
            page["run_rename"] = gr.Button("Rename", elem_id="run-rename", elem_classes="low", min_width=110)
        with gr.Row():
            page["run_open"] = gr.Button("Open it", elem_id="run-open", min_width=150)
            page["run_use"] = gr.Button("Use these settings", elem_id="run-use", min_width=150)
            page["run_compare"] = gr.Button("Compare this adapter", elem_id="run-compare", min_width=150)
        with gr.Row():
            page["run_adapter"] = gr.DownloadButton("Adapter (safetensors)", elem_id="run-adapter", min_width=150)
            page["run_archive"] = gr.DownloadButton("Everything (zip)", elem_id="run-archive", min_width=150)
        with gr.Row():
            page["run_losses"] = gr.Plot(show_label=False, min_width=300)
            page["run_distances"] = gr.Plot(show_label=False, min_width=300)
        page["run_film"] = gr.HTML("", elem_id="run-film")
        page["run_again"] = gr.Code("", language="shell", label="The same run from a terminal",
                                    interactive=False, max_lines=8, elem_id="run-again")
        self.hub.build(page)
        page["run_delete"] = gr.Button("Delete this run…", variant="stop", size="sm", elem_id="run-delete")
        with gr.Row(visible=False) as page["run_sure"]:
            gr.HTML(fragment("wrong", text=words.DELETE, role="alert"), min_width=280)
            page["run_gone"] = gr.Button("Yes, delete it", variant="stop", elem_id="run-gone", min_width=120)
            page["run_kept"] = gr.Button("Keep it", elem_id="run-kept", min_width=120)

    def wire(self, page: Page) -> None:
        page.on(self.tab.select, self.list_runs, ("run", "job_id"), LIST)
        page.on(page["run"].input, self.run_chosen, ("run",), RECORD, trigger_mode="always_last")
        page.asks(page["run_open"].click, self.open_run, ("run",), BESIDES)
        page.on(page["run_use"].click, self.use_settings, ("run",), (*OPENED, "runs_banner"))
        for trigger in (page["run_rename"].click, page["run_name"].submit):
            page.on(trigger, self.rename, ("run", "run_name", "job_id"), LIST)
        page.asks(page["run_compare"].click, self.compare, ("run",), ("tabs", "runs_banner"))
        page.asks(page["bring"].upload, self.bring, ("bring", *TARGET_INPUTS, "length"), ("tabs", "runs_banner"))
        page.on(page["run_delete"].click, lambda _: {"run_sure": gr.update(visible=True)}, (), ("run_sure",))
        page.on(page["run_kept"].click, lambda _: {"run_sure": gr.update(visible=False)}, (), ("run_sure",))
        page.asks(page["run_gone"].click, self.delete, ("run",), LIST)
        self.hub.wire(page)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """The list is drawn when the tab is opened."""
        return {}

    # ------------------------------------------------------------ looking

    def list_runs(self, values: Values) -> Updates:
        """Of the runs, the one looked at stays; at first it is the one on the Balance page."""
        lines = self.desk.runner.history()
        known = [line.job_id for line in lines]
        run = next((i for i in (values["run"], values["job_id"], *known) if i in known), None)
        return {"runs": render.history(lines, self.glances.of(lines)), "no_runs": gr.update(visible=not lines), "runs_banner": "",
                "run": gr.update(choices=render.run_choices(lines), value=run, visible=bool(lines)),
                } | self.run_chosen({"run": run})

    def run_chosen(self, values: Values) -> Updates:
        """Settings, curves, samples and files of one run."""
        updates: Updates = {"run_sure": gr.update(visible=False), "run_record": gr.update(visible=bool(values["run"]))}
        try:
            return updates | (self.shown(self.desk.runner.view(values["run"])) if values["run"] else {})
        except (UserError, OSError) as error:
            return updates | {"run_record": gr.update(visible=False)} | refused(words_for(error))

    def shown(self, view: JobView) -> Updates:
        steps, film = view.steps, view.film
        archive = runs.RunFolder(view.folder).archive
        return {
            "run_about": run_record.about(view),
            "run_name": view.request.name,
            "run_use": gr.update(visible=has_settings(view)),
            "run_again": gr.update(value=(command := run_record.again(view)), visible=bool(command)),
            "run_adapter": download(view.adapter),
            "run_archive": download(archive if archive.exists() else None),
            "run_losses": gr.update(value=training_curves(steps) if steps else None, visible=bool(steps)),
            "run_distances": gr.update(value=distance_curves(steps) if steps else None, visible=bool(steps)),
            "run_film": pictures.film(film, film[-1].step) if film else "",
            "run_compare": gr.update(visible=view.request.kind == ADAPTER and view.adapter is not None),
        } | self.hub.shown(view)

    def open_run(self, values: Values) -> Updates:
        """In the tab it belongs to, with the settings by which Start would repeat it."""
        place = place_of(self.desk, values["run"])
        return self.desk.refresh(values | place | {"seen": {}}) | place | settings_of(
            self.desk, self.desk.view_of(self.desk.known(place["job_id"])))

    def use_settings(self, values: Values) -> Updates:
        """The settings alone: the job on the Balance page stays."""
        return settings_of(self.desk, self.desk.view_if_any(values["run"])) | BALANCE

    # ------------------------------------------------------------ doing

    def compare(self, values: Values) -> Updates:
        """The adapter against the original, on the page's own number of prompts."""
        def ask() -> str:
            view = self.desk.runner.view(values["run"])
            prompts = view.request.compare_prompts
            return self.desk.runner.submit(JobRequest(
                "compare", view.request.config, prompts, images=view.request.images, seed=view.request.seed,
                source=view.job_id, name=view.request.name))
        return self.submitting(values, ask)

    def bring(self, values: Values) -> Updates:
        """Someone's adapter is compared at once, on the prompts and for the model chosen in step 1."""
        def ask() -> str:
            path = values["bring"]
            if path is None:
                raise JobError("No file came with this: choose one again.")
            request = settings.adapter_request(values, self.desk.length(values).config, path.stem)
            return self.desk.runner.bring(path, request)
        return self.submitting(values, ask)

    def submitting(self, values: Values, ask: Any) -> Updates:
        try:
            job_id = ask()
        except (UserError, OSError) as error:
            return refused(words_for(error))
        return self.desk.refresh(values | {"job_id": job_id, "seen": {}}) | {"job_id": job_id} | BALANCE

    def rename(self, values: Values) -> Updates:
        try:
            self.desk.runner.rename(values["run"], values["run_name"])
        except (UserError, OSError) as error:
            return refused(words_for(error))
        return self.list_runs(values)

    def delete(self, values: Values) -> Updates:
        try:
            self.desk.runner.delete(values["run"])
        except (UserError, OSError) as error:
            return refused(words_for(error))
        updates = self.list_runs({"run": None, "job_id": None})
        if values["job_id"] == values["run"]:  # the page must not look for it again
            updates |= {"job_id": ""} | self.desk.refresh(values | {"job_id": "", "seen": {}})
        return updates


BALANCE = {"tabs": gr.update(selected="balance")}


def refused(what: str) -> Updates:
    return {"runs_banner": render.banner(Failure(what, "Nothing was changed."))}
