"""What happens when something on the page is touched: values by name in, updates by name out. No math.

Every handler returns only what changed; layout.py knows which component carries a name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr

from app import measures, pictures, render, settings
from app.job_files import Failure, JobError, JobView
from app.jobs import JobRunner
from app.targets import CUSTOM, TARGET_PRESETS, matching_preset, rebalance
from fairness_core import runs
from fairness_core.attributes import load_attributes
from fairness_core.plots import distance_curves, distribution_plot, training_curves

Values, Updates = dict[str, Any], dict[str, Any]
LIVE_SECONDS, IDLE_SECONDS = 1.0, 3.0
MORE_IMAGES = 32
ADD_STEPS = "Add steps"


@dataclass(frozen=True)
class Piece:
    """A part of the page: drawn anew only when its key changed, so that plots do not flicker."""

    key: Any
    draw: Callable[[], Any]


class Handlers:
    def __init__(self, runner: JobRunner):
        self.runner = runner

    @cached_property
    def presets(self) -> dict:
        return {p.name: p for p in self.runner.engine.load_presets()}

    # ------------------------------------------------------------ step 1

    def slider_moved(self, attribute: str, class_name: str) -> Callable[[Values], Updates]:
        """The other sliders of the attribute make room; the moved one is left under the visitor's finger."""
        names = load_attributes()[attribute].class_names

        def moved(values: Values) -> Updates:
            percents = rebalance([values[f"{attribute}:{c}"] for c in names], names.index(class_name))
            others = {f"{attribute}:{c}": p for c, p in zip(names, percents) if c != class_name}
            return others | self.preset_name(values | dict(zip((f"{attribute}:{c}" for c in names), percents)))
        return moved

    def control_switched(self, attribute: str) -> Callable[[Values], Updates]:
        def switched(values: Values) -> Updates:
            shown = gr.update(visible=bool(values[f"{attribute}:control"]))
            return {f"{attribute}:sliders": shown} | self.preset_name(values)
        return switched

    def preset_name(self, values: Values) -> Updates:
        """Which preset the sliders amount to now."""
        preset = matching_preset(settings.percents_of(values))
        return {"target_preset": preset.label if preset else CUSTOM, "preset_note": preset_note(preset)}

    def preset_chosen(self, values: Values) -> Updates:
        preset = next((p for p in TARGET_PRESETS if p.label == values["target_preset"]), None)
        updates: Updates = {"preset_note": preset_note(preset)}
        for name, attribute in load_attributes().items() if preset else ():
            controlled = name in preset.percents
            updates[f"{name}:control"] = controlled
            updates[f"{name}:sliders"] = gr.update(visible=controlled)
            if controlled:
                updates |= {f"{name}:{c}": preset.percents[name][c] for c in attribute.class_names}
        return updates

    def concepts_chosen(self, values: Values) -> Updates:
        return {"concepts": gr.update(label=settings.concepts_label(values))}

    # ------------------------------------------------------------ step 2

    def length_chosen(self, values: Values) -> Updates:
        """The preset's settings fill Advanced."""
        preset = self.presets[values["length"]]
        return settings.advanced_values(preset.config) | {
            "filled_for": preset.name, "estimate": self.estimate_of(preset, preset.config.steps)}

    def advanced_changed(self, values: Values) -> Updates:
        return {"estimate": self.estimate_of(self.presets[values["length"]], int(values["steps"] or 1))}

    def estimate_of(self, preset, steps: int) -> str:
        return f'<div class="note">{preset.description} Takes {render.estimate(preset.seconds_per_step, steps)}.</div>'

    def start(self, values: Values) -> Updates:
        return self.submitting(values, lambda: self.runner.submit(
            settings.finetune_request(values, self.presets[values["length"]].config)))

    def stop(self, values: Values) -> Updates:
        return self.submitting(values, lambda: (self.runner.stop(values["job_id"]), values["job_id"])[1])

    def go_on(self, values: Values) -> Updates:
        """Continue: finish what broke off, or add steps to what is done."""
        def continued() -> str:
            view = self.runner.view(values["job_id"])
            return self.runner.go_on(view.job_id, 0 if view.can_resume else int(values["more_steps"] or 0))
        return self.submitting(values, continued)

    def submitting(self, values: Values, ask: Callable[[], str]) -> Updates:
        """Asks the runner for something and shows the job; bad input becomes a red banner and changes nothing."""
        try:
            return {"job_id": (job_id := ask())} | self.refresh(values | {"job_id": job_id, "seen": {}})
        except (ValueError, OSError) as error:
            return {"banner": render.banner(Failure(str(error), "Nothing was started and nothing is lost."))}

    # ------------------------------------------------------------ step 3

    def rerender(self, values: Values) -> Updates:
        """The pictures on show again, with another strength of the adapter."""
        return self.submitting(values, lambda: self.runner.submit(settings.again(
            self.shown(self.view_of(values["job_id"])), strength=float(values["strength"]))))

    def more_images(self, values: Values) -> Updates:
        def ask() -> str:
            shown = self.shown(self.view_of(values["job_id"]))
            return self.runner.submit(settings.again(shown, images=shown.request.images + MORE_IMAGES))
        return self.submitting(values, ask)

    # ------------------------------------------------------------ runs

    def list_runs(self, values: Values) -> Updates:
        lines = self.runner.history()
        return {"runs": render.history(lines), "no_runs": gr.update(visible=not lines)}

    # ------------------------------------------------------------ the page as it should be now

    def refresh(self, values: Values) -> Updates:
        """Everything on the page that differs from what it shows; called every second and after every touch."""
        failure = None
        try:
            view = self.view_of(values["job_id"])
        except JobError as error:
            view, failure = None, Failure(str(error), "Open it from the Runs tab, or start a new one.")
        pieces = self.job_pieces(view, failure) | self.comparison_pieces(self.shown(view), values)
        seen = dict(values["seen"])
        updates = {name: piece.draw() for name, piece in pieces.items() if name not in seen or seen[name] != piece.key}
        return updates | {"seen": seen | {name: piece.key for name, piece in pieces.items()}}

    def view_of(self, job_id: str) -> JobView | None:
        return self.runner.view(job_id) if job_id else None

    def shown(self, view: JobView | None) -> JobView | None:
        """Whose pictures step 3 shows: the job's, else those of the run it started from, else the recorded run's."""
        for candidate in (view, self.source_of(view)):
            if candidate is not None and candidate.comparisons:
                return candidate
        return self.runner.recorded()

    def source_of(self, view: JobView | None) -> JobView | None:
        """The finetune behind a view: itself, or the run whose adapter a comparison uses."""
        try:
            return self.view_of(view.source) if view and view.source != view.job_id else view
        except JobError:
            return None

    def job_pieces(self, view: JobView | None, failure: Failure | None) -> dict[str, Piece]:
        active = view is not None and view.is_active
        status = render.status(view)
        failure = failure or (view.failure if view else None)
        stop, go_on = stop_button(view), continue_label(view)
        extends = go_on == ADD_STEPS
        trained = self.source_of(view)
        steps = trained.steps if trained else ()
        film = trained.film if trained else ()
        curve = (trained.job_id if trained else "", len(steps), steps[-1].step if steps else 0)
        return {
            "timer": Piece(active, lambda: gr.Timer(LIVE_SECONDS if active else IDLE_SECONDS, active=True)),
            "status": Piece(status, lambda: status),
            "banner": Piece(failure, lambda: render.banner(failure)),
            "start": Piece(active, lambda: gr.update(interactive=not active)),
            "stop": Piece(stop, lambda: gr.update(value=stop[0], interactive=stop[1])),
            "more": Piece(bool(go_on), lambda: gr.update(visible=bool(go_on))),
            "continue": Piece(go_on, lambda: go_on),
            "more_steps": Piece(extends, lambda: gr.update(visible=extends)),
            "curves": Piece((bool(steps), active), lambda: gr.update(visible=bool(steps), open=active)),
            "losses": Piece(curve, lambda: training_curves(steps) if steps else None),
            "distances": Piece(curve, lambda: distance_curves(steps) if steps else None),
            "film": Piece((curve[0], len(film)), lambda: pictures.film(film)),
        }

    def comparison_pieces(self, shown: JobView | None, values: Values) -> dict[str, Piece]:
        """Step 3. A prompt that is not among the compared ones falls back to the first."""
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
        adapter = shown.adapter or (self.source_of(shown) or shown).adapter
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

    def archive_of(self, shown: JobView) -> Path | None:
        """The zip of the finetune on show, once it was made."""
        trained = self.source_of(shown)
        path = trained.folder / f"{trained.job_id}.zip" if trained and trained.folder else None
        return path if path and path.exists() else None

    def recorded_about(self, shown: JobView) -> str:
        return measures.where_and_when(runs.RunFolder(shown.folder)) if shown.recorded else ""


def preset_note(preset) -> str:
    if preset is None:
        return '<div class="note">Your own target. Say who chose it and why when you share the result.</div>'
    return f'<div class="note">Chosen by {preset.chosen_by}: {preset.why}.</div>'


def download(path: Path | None) -> Any:
    """A download button's update: hidden when there is nothing to download."""
    return gr.update(value=str(path) if path else None, visible=path is not None)


def stop_button(view: JobView | None) -> tuple[str, bool]:
    """The Stop button's words, and whether it can be pressed."""
    if view is None or not view.is_active:
        return "Stop", False
    if view.position:
        return "Cancel", True
    return ("Stopping…", False) if view.stopping else ("Stop", True)


def continue_label(view: JobView | None) -> str:
    """The Continue button's words; empty when there is nothing to continue."""
    if view is None:
        return ""
    return "Continue" if view.can_resume else ADD_STEPS if view.can_extend else ""
