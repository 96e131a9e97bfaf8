"""Must not move: prompts that a finetune should leave alone, before and after, and what changed in them."""

from collections.abc import Sequence

import gradio as gr

from app import words
from app.html import pictures, render
from app.html.fragment import fragment, note
from app.html.measures import Cell
from app.jobs.files import CHECK, Failure, JobError, JobRequest, JobView
from app.page import Page, Piece, Updates, Values
from app.requests import settings
from app.rooms.compare_figures import of_prompt
from app.rooms.desk import Desk
from fairness_core.errors import UserError, words_for
from fairness_core.metrics import percent
from fairness_core.metrics.must_not_move import Moved, Proportion, counted, load_panel, what_moved
from fairness_core.plots import concept_name
from fairness_core.settings.attributes import load_attributes

IMAGES = 16
MARKS = {"kept": ("✓ Kept", "reached"), "moved": ("✗ Moved", "not-yet"), "improved": ("↑ Clearer now", "reached"),
         "absent": ("– Not painted before either", "unclear"), "cannot tell": ("? Cannot tell", "unclear")}
COLUMNS = ("Says", "Agree before", "Agree after", "Changed", "CLIP-I")


class MustNotMoveRoom:
    view_inputs = ("check_id", "check_prompt")
    shows = ("check", "check_status", "moved", "check_pictures", "check_prompt", "check_pairs")

    def __init__(self, desk: Desk):
        self.desk = desk

    def build(self, page: Page) -> None:
        with gr.Tab("Must not move", id="must-not-move") as self.tab:
            gr.Markdown(words.MUST_NOT_MOVE)
            page["check_id"] = gr.Textbox("", visible=False)
            page["check"] = gr.Button("Paint the panel before and after", variant="primary", elem_id="check")
            page["check_status"] = gr.HTML("", elem_id="check-status")
            page["moved"] = gr.HTML(moved_table(()), elem_id="moved")
            with gr.Column(visible=False) as page["check_pictures"]:
                page["check_prompt"] = gr.Dropdown([], label="Prompt", elem_id="check-prompt")
                page["check_pairs"] = gr.HTML("", elem_id="check-pairs", js_on_load="enlarge(element)")

    def wire(self, page: Page) -> None:
        self.desk.redraws(page, page["check"].click, self, self.check, writes=("check_id",))
        self.desk.redraws(page, page["check_prompt"].input, self)
        self.desk.redraws(page, self.tab.select, self, self.find, writes=("check_id",))

    def check(self, values: Values) -> Updates:
        """Queues the panel for the adapter of the run on show."""
        try:
            shown = self.desk.shown(self.desk.view_of(values["job_id"]))
            if shown is None:
                raise JobError("There is nothing to check yet: finetune first.")
            check_id = self.desk.runner.submit(panel_request(shown))
        except (UserError, OSError) as error:
            return {"check_status": render.banner(Failure(words_for(error), "Nothing was started."))}
        return {"check_id": check_id} | self.desk.refresh(values | {"check_id": check_id}, self)

    def find(self, values: Values) -> Updates:
        """When the tab is opened: the panel that was opened by its id, else the latest of the run on show; for a recorded run
        before that, the run's id."""
        shown, opened = self.desk.shown(self.desk.view_if_any(values["job_id"])), self.desk.known(values["check_id"])
        lines = [line for line in self.desk.runner.history() if line.request.kind == CHECK]
        own = [line.job_id for line in lines if shown and line.request.source == shown.source]
        recorded = [shown.job_id] if shown and shown.recorded else []
        check_id = opened if opened in own else (*own, *recorded, opened)[0]
        return {"check_id": check_id} | self.desk.refresh(values | {"check_id": check_id}, self)

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        shown, panel = self.desk.shown(view), self.desk.view_if_any(values["check_id"])
        if panel and panel.request.kind != CHECK:
            panel = self.desk.runner.store.recorded_panel(panel.job_id)
        if panel and shown and panel.request.source != shown.source and self.desk.known(panel.request.source):
            panel = None  # the page has turned to another run
        comparisons = panel.comparisons if panel else ()
        chosen = of_prompt(comparisons, values["check_prompt"])
        status = "" if panel is None else note(words.RECORDED_MOVED) if panel.recorded else (
            render.banner(panel.failure) or render.status(panel))
        which = (panel.job_id if panel else "", len(comparisons), panel.corrections if panel else ())
        picked = (which, chosen.prompt if chosen else "")
        named = next((p.named for p in load_panel() if chosen and p.prompt == chosen.prompt), {})
        return {
            "check": Piece(panel is not None and panel.is_active,
                           lambda: gr.update(interactive=panel is None or not panel.is_active)),
            "check_status": Piece(status, lambda: status),
            "moved": Piece(which, lambda: moved_table(what_moved(comparisons, load_panel()))),
            "check_pictures": Piece(bool(comparisons), lambda: gr.update(visible=bool(comparisons))),
            "check_prompt": Piece(picked, lambda: gr.update(
                choices=[(concept_name(c.prompt), c.prompt) for c in comparisons], value=chosen and chosen.prompt)),
            "check_pairs": Piece(picked, lambda: pictures.pairs(chosen, list(named)) if chosen else ""),
        }


def panel_request(shown: JobView) -> JobRequest:
    """The panel's prompts by the adapter on show. Raises JobError for the model as it is."""
    if not shown.source:
        raise JobError("The model as it is has no adapter, so nothing can have moved: open a finetune first.")
    asked = settings.again(shown, extends="", images=IMAGES)
    return JobRequest(CHECK, asked.config, tuple(p.prompt for p in load_panel()), IMAGES, asked.seed, asked.strength,
                      asked.source)


# ---------------------------------------------------------------- words

def moved_table(results: Sequence[Moved]) -> str:
    """A sentence over all prompts, and a line a prompt: status in words, agreement with intervals, CLIP-I."""
    if not results:
        return fragment("panel", text=words.EMPTY_MOVED, prompts=[(quoted(p.prompt), named_words(p.named)) for p in load_panel()])
    return fragment("moved", columns=COLUMNS, results=[moved_line(result) for result in results],
                    moved=[quoted(r.prompt) for r in results if r.status == "moved"], counted=count_words(results))


def count_words(results: Sequence[Moved]) -> list[str]:
    """How many prompts have each of the three answers, none of which may be left out; what else there is, if any."""
    counts = counted(results)
    told = [f"{counts.moved} moved", f"{counts.kept} kept what they say",
            f"{counts.untold} cannot be told from so few pictures"]
    absent = "was not painted as it says" if counts.absent == 1 else "were not painted as they say"
    return told + ([f"{counts.absent} {absent} before either"] if counts.absent else [])


def moved_line(result: Moved) -> dict:
    """A prompt, its mark, and a cell for each of COLUMNS."""
    chance = "" if result.p_value is None else f"p = {result.p_value:.2f}"
    told = ((named_words(result.named), ""), share_words(result.agreement_before), share_words(result.agreement_after),
            (f"{result.lost} lost, {result.gained} won", chance),
            ("–" if result.clip_image is None else f"{result.clip_image:.2f}", ""))
    cells = [Cell(column, *cell) for column, cell in zip(COLUMNS, told, strict=True)]
    return {"prompt": quoted(result.prompt), "mark": MARKS[result.status], "cells": cells}


def quoted(prompt: str) -> str:
    return f"“{concept_name(prompt)}”"


def named_words(named: dict[str, str]) -> str:
    """ "Old, Black" of the classes a prompt names."""
    labels = [c.label for name, wanted in named.items() for c in load_attributes()[name].classes if c.name == wanted]
    return ", ".join(labels) or "no person"


def share_words(share: Proportion) -> tuple[str, str]:
    """A share, and its interval."""
    if share.frequency is None:
        return "no face", ""
    return f"{percent(share.frequency)} of {share.n}", f"{percent(share.low)} to {percent(share.high)}"
