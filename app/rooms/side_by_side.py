"""Side by side: up to six runs, how near to their target and how like the original; by link, and to download."""

from collections.abc import Sequence

import gradio as gr

from app import words
from app.html import render, text_table
from app.html.fragment import note
from app.jobs import side_by_side as sides
from app.jobs.files import Failure, JobError, JobView
from app.page import QUIET, Page, Piece, Updates, Values
from app.rooms.desk import Desk
from app.rooms.downloads import download_text
from app.rooms.opening import IN_OWN_TABS
from fairness_core.errors import UserError, words_for
from fairness_core.plots import message
from fairness_core.report.side_by_side import (MOST_RUNS, Point, Run, attributes_of, points, shared_prompts,
                                               side_by_side_csv, side_by_side_table)
from fairness_core.report.side_by_side_figure import LIKENESS, figure_of_runs
from fairness_core.report.side_by_side_page import side_by_side_html
from fairness_core.report.text_tables import attribute_label

EMPTY = "Choose runs above"
PAINTED = {"model": "model", "guidance_scale": "guidance scale", "steps_shown": "sampling steps", "seed": "seed"}
FILES = {"side_html": "side-by-side.html", "side_csv": "side-by-side.csv"}


class SideBySideRoom:
    view_inputs = ("side_runs", "side_attribute", "side_likeness")
    shows = ("side_banner", "side_attribute", "side_plot", "side_table", "side_note", "side_status")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        with gr.Tab("Side by side", id="side-by-side") as self.tab:
            gr.Markdown(words.SIDE_BY_SIDE)
            page["side_banner"] = gr.HTML("", elem_id="side-banner")
            page["side_runs"] = gr.Dropdown(self.recorded(), value=[], multiselect=True, max_choices=MOST_RUNS, label="Runs",
                                            allow_custom_value=True, info=words.SIDE_RUNS, elem_id="side-runs")
            with gr.Row():
                page["side_attribute"] = gr.Dropdown([], label="Measured", info=words.SIDE_ATTRIBUTE, min_width=220,
                                                     allow_custom_value=True, elem_id="side-attribute")
                page["side_likeness"] = gr.Radio([(label, name) for name, label in LIKENESS.items()], value="clip_image",
                                                 label="Likeness", info=words.SIDE_LIKENESS, elem_id="side-likeness", min_width=220)
            page["side_status"] = gr.HTML("", elem_id="side-status")
            page["side_plot"] = gr.Plot(message(EMPTY, "Side by side"), show_label=False, elem_id="side-plot")
            page["side_note"] = gr.HTML("", elem_id="side-note")
            page["side_table"] = gr.HTML("", elem_id="side-table")
            with gr.Row():
                page["side_sweep"] = gr.Button("Paint other strengths of the last one", elem_id="side-sweep", min_width=200)
                page["side_link"] = gr.Button("Copy link", elem_id="side-link", min_width=110)
                page["side_make"] = gr.Button("Make files to download", elem_id="side-make", min_width=150)
                page["side_html"] = gr.DownloadButton("Page (html)", visible=False, elem_id="side-html", min_width=110)
                page["side_csv"] = gr.DownloadButton("Table (csv)", visible=False, elem_id="side-csv", min_width=110)
            page["side_address"] = gr.Textbox("", label="Link to these runs", visible=False, interactive=False, max_lines=1,
                                              buttons=["copy"], elem_id="side-address")

    def wire(self, page: Page) -> None:
        for name in self.view_inputs:
            self.desk.redraws(page, page[name].input, self)
        self.desk.redraws(page, page["side_sweep"].click, self, self.sweep, writes=("side_runs",))
        page.on(self.tab.select, self.list_runs, ("side_runs",), ("side_runs",))
        page.on(page["side_link"].click, lambda _: {"side_address": gr.update(visible=True)}, (), ("side_address",)).then(
            None, [page["side_runs"]], [page["side_address"]], js="copyRuns", **QUIET)
        page.on(page["side_make"].click, self.files, self.view_inputs, ("side_banner", *FILES))

    # ------------------------------------------------------------ looking

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        views, failure = self.views(values)
        which, runs, found, attribute = sides.identity(views), [], [], values["side_attribute"]
        if views and not failure:
            try:
                runs = [sides.as_run(one, self.desk.runner.store.recorded_runs) for one in views]
                known = attributes_of(runs)
                attribute = attribute if attribute in known else next(iter(known), "")
                found = points(runs, attribute) if attribute else []
            except UserError as error:
                failure = Failure(str(error), "The others stay as they are.")
        likeness = values["side_likeness"] if values["side_likeness"] in LIKENESS else "clip_image"
        status = "".join(render.status(one) for one in views if one.is_active)
        return {
            "side_banner": Piece(failure, lambda: render.banner(failure)),
            "side_status": Piece(status, lambda: status),
            "side_attribute": Piece((which, attribute), lambda: gr.update(
                choices=[(attribute_label(name), name) for name in attributes_of(runs)], value=attribute or None)),
            "side_plot": Piece((which, attribute, likeness), lambda: drawn(found, attribute, likeness)),
            "side_note": Piece((which, len(runs)), lambda: note(figures_words(runs)) if runs else ""),
            "side_table": Piece((which, attribute), lambda: text_table.html(
                "Runs side by side", side_by_side_table(found)) if found else ""),
        }

    def views(self, values: Values) -> tuple[list[JobView], Failure | None]:
        """The chosen runs, and why one of them cannot be shown."""
        views = []
        for run_id in dict.fromkeys(values["side_runs"] or ()):
            try:
                views.append(self.desk.runner.view(str(run_id)))
            except JobError as error:
                return views, Failure(str(error), "Take it out of the list above.")
        return views, None

    def choices(self) -> list[tuple[str, str]]:
        """(shown, id): the runs that ship with the app, then those of this visitor."""
        lines = [line for line in self.desk.runner.history() if line.request.kind not in IN_OWN_TABS]
        return self.recorded() + render.run_choices(lines)

    def recorded(self) -> list[tuple[str, str]]:
        return [(f"{about.title} (recorded)", run_id) for run_id, about in self.desk.runner.store.recorded_runs.items()]

    def list_runs(self, values: Values) -> Updates:
        return {"side_runs": gr.update(choices=self.choices())}

    def from_link(self, runs: str) -> Values:
        """The runs in the address of a page that opens, by their ids."""
        ids = [run_id for run_id in runs.split(",") if run_id]
        return {"side_runs": ids} if ids else {}

    def opened(self, linked: Values) -> Updates:
        """What a page that opens at a link of this room shows beside its pieces."""
        if not linked:
            return {}
        return {"side_runs": gr.update(choices=self.choices(), value=linked["side_runs"]),
                "tabs": gr.update(selected="side-by-side")}

    # ------------------------------------------------------------ doing

    def sweep(self, values: Values) -> Updates:
        """Queues other strengths of the last run chosen, whose place that takes."""
        try:
            views, failure = self.views(values)
            if failure or not views:
                raise JobError(failure.what if failure else "Choose a run first: its adapter is painted at strengths 0 to 1.5.")
            job_id = self.desk.runner.submit(sides.strengths_request(views[-1]))
        except (UserError, OSError) as error:
            return {"side_banner": render.banner(Failure(words_for(error), "Nothing was started."))}
        ids = [*(view.job_id for view in views[:-1]), job_id]
        return {"side_runs": gr.update(choices=self.choices(), value=ids)} | self.desk.refresh(values | {"side_runs": ids}, self)

    def files(self, values: Values) -> Updates:
        """The plot and the table as a page of its own, and the table as CSV."""
        try:
            views, failure = self.views(values)
            if failure or not views:
                raise JobError(failure.what if failure else "Choose a run first.")
            runs = [sides.as_run(one, self.desk.runner.store.recorded_runs) for one in views]
            attribute = values["side_attribute"]
            found = points(runs, attribute)
            texts = {"side_html": side_by_side_html(found, attribute, figures_words(runs)), "side_csv": side_by_side_csv(found)}
        except (UserError, OSError) as error:
            return {"side_banner": render.banner(Failure(words_for(error), "Nothing was made."))}
        return {"side_banner": ""} | {name: download_text(FILES[name], text) for name, text in texts.items()}


def drawn(found: Sequence[Point], attribute: str, likeness: str):
    return figure_of_runs(found, attribute_label(attribute), likeness) if found else message(EMPTY, "Side by side")


def figures_words(runs: Sequence[Run]) -> str:
    """What the figures are of: the prompts, and whether the originals are the same."""
    return " ".join(filter(None, (prompts_words(runs), originals_words(runs))))


def originals_words(runs: Sequence[Run]) -> str:
    """What the runs paint with that makes their originals others; nothing where those are the same."""
    values = {label: list(dict.fromkeys(str(getattr(run.config, name)) for run in runs)) for name, label in PAINTED.items()}
    different = [f"{label} {' and '.join(each)}" for label, each in values.items() if len(each) > 1]
    return f"Each has its own original pictures: {', '.join(different)}." if different else ""


def prompts_words(runs: Sequence[Run]) -> str:
    """On which prompts the figures are."""
    if len(runs) > 1 and not shared_prompts(runs):
        return "These runs share no prompt: each is measured on its own, so part of the difference may be the prompts'."
    n = len(shared_prompts(runs))
    return f"On the {n} prompt{'s' if n != 1 else ''} that {'all these runs were' if len(runs) > 1 else 'it was'} compared on."
