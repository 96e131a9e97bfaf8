"""Step 3, the comparison: original beside debiased, and both in figures."""

from pathlib import Path
from typing import Any

import gradio as gr

from app import help as words
from app import measures, pictures, render, settings
from app.handlers import Desk
from app.job_files import JobView
from app.page import Page, Piece, Updates, Values, title
from app.theme import ENLARGE
from fairness_core import runs
from fairness_core.attributes import load_attributes
from fairness_core.plots import distribution_plot

MORE_IMAGES = 32


class CompareRoom:
    view_inputs = ("prompt", "bars", "plot_class", "sort")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        title(3, "Compare")
        page["empty"] = gr.HTML(words.EMPTY_COMPARE, elem_id="empty")
        with gr.Column(visible=False, elem_id="compare") as page["compare"]:
            page["origin"] = gr.HTML("", elem_id="origin")
            page["verdict"] = gr.HTML("", elem_id="verdict")
            page["more_images"] = gr.Button("Generate 32 more images per prompt", size="md", elem_id="more-images")
            with gr.Row():
                page["prompt"] = gr.Dropdown([], label="Prompt", info=words.SHOWN_PROMPT, elem_id="prompt",
                                             min_width=220)
                attributes = load_attributes().values()
                page["bars"] = gr.CheckboxGroup([(a.label, a.name) for a in attributes], value=["gender"],
                                                label="Bars shown", info=words.SHOWN_BARS, elem_id="bars",
                                                min_width=300)
            gr.HTML('<div class="note">Left: original. Right: debiased, same noise. Press a pair to enlarge it.</div>')
            page["pairs"] = gr.HTML("", elem_id="pairs", js_on_load=ENLARGE)
            with gr.Row():
                page["plot_class"] = gr.Dropdown(render.class_choices(), value=render.class_choices()[0][1],
                                                 label="Plotted", info=words.PLOT_CLASS, elem_id="plot-class",
                                                 min_width=280)
                page["sort"] = gr.Radio([("Name", "name"), ("Before", "before"), ("After", "after")], value="before",
                                        label="Sorted by", info=words.SORT, elem_id="sort", min_width=280)
            page["distribution"] = gr.Plot(show_label=False, elem_id="distribution")
            page["table"] = gr.HTML("", elem_id="table")
            gr.Markdown(words.TABLE_NOTE, elem_classes="note")
            with gr.Row(equal_height=False) as page["dial"]:
                page["strength"] = gr.Slider(0, 1.5, 1.0, step=.1, label="Strength", info=words.STRENGTH, scale=3,
                                             elem_id="strength", buttons=[], min_width=280)
                page["rerender"] = gr.Button("Render again", elem_id="rerender", elem_classes="low", min_width=120)
            with gr.Row():
                page["adapter"] = gr.DownloadButton("Download adapter (safetensors)", elem_id="download-adapter")
                page["archive"] = gr.DownloadButton("Download everything (zip)", elem_id="download-archive")

    def wire(self, page: Page) -> None:
        for name in self.view_inputs:
            page.on(page[name].input, self.desk.refresh, page.view_inputs)
        page.asks(page["rerender"].click, self.rerender, ("strength",))
        page.asks(page["more_images"].click, self.more_images)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """A prompt that is not among the compared ones falls back to the first."""
        shown = self.desk.shown(view)
        if shown is None:
            return {"empty": Piece(True, lambda: gr.update(visible=True)),
                    "compare": Piece(False, lambda: gr.update(visible=False))}
        comparisons = shown.comparisons
        which = (shown.job_id, shown.step, len(comparisons))
        chosen = next((c for c in comparisons if c.prompt == values["prompt"]), comparisons[0])
        bars = [b for b in load_attributes() if b in values["bars"]]
        attribute, class_name = values["plot_class"].split(":")
        target = measures.target_share(shown.request.config, attribute, class_name)
        origin = render.shown_label(shown, self.recorded_about(shown))
        strip = (which, chosen.prompt, tuple(bars))
        adapter = shown.adapter or (self.desk.source_of(shown) or shown).adapter
        archive = self.archive_of(shown)
        return {
            "empty": Piece(False, lambda: gr.update(visible=False)),
            "compare": Piece(True, lambda: gr.update(visible=True)),
            "origin": Piece(origin, lambda: origin),
            "verdict": Piece(which, lambda: measures.verdicts(measures.judge(comparisons, shown.request.config))),
            "prompt": Piece((which, chosen.prompt), lambda: gr.update(
                choices=render.prompt_choices(comparisons), value=chosen.prompt)),
            "pairs": Piece(strip, lambda: pictures.pairs(chosen, bars)),
            "distribution": Piece((which, attribute, class_name, values["sort"]), lambda: distribution_plot(
                comparisons, load_attributes()[attribute], class_name, target, values["sort"])),
            "table": Piece(which, lambda: measures.table(comparisons, shown.request.config)),
            "adapter": Piece(str(adapter), lambda: download(adapter)),
            "archive": Piece(str(archive), lambda: download(archive)),
            "dial": Piece(adapter is not None, lambda: gr.update(visible=adapter is not None)),
            "more_images": Piece((which, "wanted"), lambda: gr.update(
                visible=measures.images_wanted(measures.judge(comparisons, shown.request.config)) > 0)),
        }

    def rerender(self, values: Values) -> Updates:
        """The pictures on show again, with another strength of the adapter."""
        return self.desk.submitting(values, lambda: self.desk.runner.submit(settings.again(
            self.desk.shown(self.desk.view_of(values["job_id"])), strength=float(values["strength"]))))

    def more_images(self, values: Values) -> Updates:
        def ask() -> str:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            return self.desk.runner.submit(settings.again(shown, images=shown.request.images + MORE_IMAGES))
        return self.desk.submitting(values, ask)

    def archive_of(self, shown: JobView) -> Path | None:
        """The zip of the finetune on show, once it was made."""
        trained = self.desk.source_of(shown)
        path = trained.folder / f"{trained.job_id}.zip" if trained and trained.folder else None
        return path if path and path.exists() else None

    def recorded_about(self, shown: JobView) -> str:
        return measures.where_and_when(runs.RunFolder(shown.folder)) if shown.recorded else ""


def download(path: Path | None) -> Any:
    """A download button's update: hidden when there is nothing to download."""
    return gr.update(value=str(path) if path else None, visible=path is not None)
