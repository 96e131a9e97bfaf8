"""Step 3, the comparison: original beside debiased, and both in figures."""

from pathlib import Path

import gradio as gr

from app import words
from app.html import headlines, measures, pictures, render
from app.html.fragment import fragment, note
from app.html.legend import legend
from app.jobs.files import JobView
from app.page import Page, Piece, Values, known_or_first, unless_shown
from app.rooms import compare_figures
from app.rooms.compare_choices import CHOICES, CHOSEN_FOR, choice_pieces, with_choices
from app.rooms.desk import Desk
from app.rooms.downloads import download_piece
from app.rooms.live import is_live
from app.rooms.more import MorePart
from app.rooms.pair import PairPart
from app.rooms.share import SharePart
from app.rooms.ways import WaysPart
from fairness_core import runs
from fairness_core.plots import distribution_plot, outcome_bars
from fairness_core.report.record import verdicts
from fairness_core.settings.attributes import load_attributes

OWN_PIECES = ("empty", "compare", "origin", "headlines", "verdict", "prompt", "pairs", "table", "adapter", "archive",
              "distribution", "outcomes", "joint")
SORTS = [("Name", "name"), ("Before", "before"), ("After", "after")]


class CompareRoom:
    def __init__(self, desk: Desk):
        self.desk = desk
        self.pair, self.more = PairPart(desk, self), MorePart(desk)
        self.share, self.ways = SharePart(desk), WaysPart(desk)
        self.own_inputs = ("prompt", *CHOICES, "sort")
        self.view_inputs = (*self.own_inputs, CHOSEN_FOR, *self.pair.view_inputs)
        self.shows = (*OWN_PIECES, *CHOICES, CHOSEN_FOR, *self.pair.shows, *self.more.shows, *self.share.shows,
                      *self.ways.shows)

    def build(self, page: Page) -> None:
        gr.HTML(fragment("part_title", text="Before and after, in full"), elem_classes="part-title", elem_id="results")
        page["empty"] = gr.HTML(fragment("empty", text=words.LOADING), elem_id="empty")
        with gr.Column(visible=False, elem_id="compare") as page["compare"]:
            page[CHOSEN_FOR] = gr.Textbox("", visible=False)
            page["origin"] = gr.HTML("", elem_id="origin")
            page["headlines"] = gr.HTML("", elem_id="headlines")
            page["verdict"] = gr.HTML("", elem_id="verdict")
            self.more.build_buttons(page)
            self.build_pictures(page)
            self.more.build(page)
            with gr.Accordion("All figures: prompt by prompt, all prompts together, and the table", open=False, elem_id="figures"):
                self.build_figures(page)
            with gr.Row():
                page["adapter"] = gr.DownloadButton("Download adapter (safetensors)", elem_id="download-adapter")
                page["archive"] = gr.DownloadButton("Download everything (zip)", elem_id="download-archive")
                self.share.build_button(page)
            self.share.build(page)

    def build_pictures(self, page: Page) -> None:
        attributes = load_attributes().values()
        with gr.Row():
            page["prompt"] = gr.Dropdown([], label="Prompt", info=words.SHOWN_PROMPT, elem_id="prompt", min_width=220)
            page["bars"] = gr.CheckboxGroup([(a.label, a.name) for a in attributes], value=["gender"],
                                            label="Bars shown", info=words.SHOWN_BARS, elem_id="bars", min_width=300)
        gr.HTML(note(words.PAIRS))
        page["pairs"] = gr.HTML("", elem_id="pairs", js_on_load="enlarge(element)")

    def build_figures(self, page: Page) -> None:
        gr.HTML(legend(list(load_attributes())))
        gr.HTML(fragment("part_title", text="Prompt by prompt"), elem_classes="part-title")
        with gr.Row():
            page["plot_class"] = gr.Dropdown(render.class_choices(), value=render.class_choices()[0][1],
                                             label="Plotted", info=words.PLOT_CLASS, elem_id="plot-class",
                                             min_width=280)
            page["sort"] = gr.Radio(SORTS, value="before", label="Sorted by", info=words.SORT, elem_id="sort",
                                    min_width=280)
        page["distribution"] = gr.Plot(show_label=False, elem_id="distribution")
        gr.HTML(fragment("part_title", text="All prompts together"), elem_classes="part-title")
        pairs = compare_figures.attribute_pairs()
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                gr.HTML(note(words.OUTCOMES))
                page["outcomes"] = gr.Plot(show_label=False, elem_id="outcomes")
            with gr.Column(min_width=300):
                page["joint_pair"] = gr.Dropdown(pairs, value=pairs[0][1], label="Combinations of", info=words.JOINT_PLOT,
                                                 elem_id="joint-pair")
                page["joint"] = gr.Plot(show_label=False, elem_id="joint")
        page["table"] = gr.HTML("", elem_id="table")
        gr.Markdown(words.TABLE_NOTE, elem_classes="note")
        self.ways.build(page)

    def wire(self, page: Page) -> None:
        for name in self.own_inputs:
            self.desk.redraws(page, page[name].input, self)
        self.pair.wire(page)
        self.more.wire(page)
        self.share.wire(page)
        self.ways.wire(page)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """A prompt that is not among the compared ones falls back to the first."""
        shown = self.desk.shown(view)
        if shown is None or shown.recorded and is_live(view):
            told = words.EMPTY_LIVE if is_live(view) and view.is_active else words.EMPTY_COMPARE
            return {"empty": Piece(told, lambda: gr.update(visible=True, value=fragment("empty", text=told))),
                    "compare": Piece(False, lambda: gr.update(visible=False))}
        comparisons, values = shown.comparisons, with_choices(shown, values)
        which = compare_figures.identity(shown)
        chosen = compare_figures.of_prompt(comparisons, values["prompt"])
        bars = [b for b in load_attributes() if b in values["bars"]]
        origin = render.shown_label(shown, self.recorded_about(shown), self.desk.runner.store.recorded_runs)
        adapter = shown.adapter or (self.desk.source_of(shown) or shown).adapter
        return {
            "empty": Piece(False, lambda: gr.update(visible=False)),
            "compare": Piece(True, lambda: gr.update(visible=True)),
            "origin": Piece(origin, lambda: origin),
            "headlines": Piece(which, lambda: headlines.headlines(comparisons, shown.request.config)),
            "verdict": Piece(which, lambda: measures.verdicts(verdicts(comparisons, shown.request.config))),
            "prompt": Piece((which, chosen.prompt), lambda: gr.update(
                choices=render.prompt_choices(comparisons), **unless_shown(chosen.prompt, values["prompt"]))),
            "pairs": Piece((which, chosen.prompt, tuple(bars)), lambda: pictures.pairs(chosen, bars)),
            "table": Piece(which, lambda: measures.table(comparisons, shown.request.config)),
            "adapter": download_piece(adapter),
            "archive": download_piece(self.archive_of(shown)),
            **choice_pieces(values), **self.figures(shown, values), **self.pair.pieces(shown, view),
            **self.more.pieces(shown), **self.share.pieces(which, chosen.prompt), **self.ways.pieces(shown),
        }

    def figures(self, shown: JobView, values: Values) -> dict[str, Piece]:
        comparisons, config, which = shown.comparisons, shown.request.config, compare_figures.identity(shown)
        name, class_name = known_or_first(values["plot_class"], render.class_choices()).split(":")
        sort = known_or_first(values["sort"], SORTS)
        attribute, pair = load_attributes()[name], known_or_first(values["joint_pair"], compare_figures.attribute_pairs())
        prompts = [c.prompt for c in comparisons]
        return {
            "distribution": Piece((which, name, class_name, sort), lambda: distribution_plot(
                comparisons, attribute, class_name, measures.target_share(config, name, class_name, prompts), sort)),
            "outcomes": Piece((which, name), lambda: outcome_bars(
                comparisons, attribute, compare_figures.marginal_target(config, name))),
            "joint": Piece((which, pair), lambda: compare_figures.joint_figure(comparisons, config, pair)),
        }

    def archive_of(self, shown: JobView) -> Path | None:
        """The zip of the finetune on show, which may not have been made yet."""
        trained = self.desk.source_of(shown)
        return runs.RunFolder(trained.folder).archive if trained and trained.folder else None

    def recorded_about(self, shown: JobView) -> str:
        return measures.where_and_when(runs.RunFolder(shown.folder)) if shown.recorded else ""
