"""What the engine and the jobs tell -> values of components. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.html.fragment import fragment
from app.html.glance import asked
from app.jobs import files as jobs
from app.jobs.auditing import progress_of, progress_words
from app.jobs.files import Failure, HistoryLine, JobView
from app.jobs.pace import Pace
from app.jobs.time_left import seconds_left
from app.targets.sliders import target_words
from app.text import duration, friendly_time
from fairness_core.about import About
from fairness_core.plots import concept_name
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import load_attributes
from fairness_core.strict_json import without_nan

KIND_WORDS = {jobs.FINETUNE: "Finetune", jobs.ADAPTER: "Adapter", jobs.AUDIT: "Audit of pictures", jobs.CHECK: "Must not move",
              "lab": "Gradient lab", "strengths": "Strengths"}
STATE_WORDS = {
    jobs.QUEUED: "waiting", jobs.RUNNING: "running", jobs.FINISHED: "finished", jobs.STOPPED: "stopped",
    jobs.CANCELLED: "cancelled", jobs.FAILED: "failed", jobs.INTERRUPTED: "interrupted"}


# ---------------------------------------------------------------- words

def takes(preset: Any, steps: int, pace: Pace = Pace(None), usual: int = 0, chosen: str = "") -> str:
    """What a preset does and how long it takes at this machine's pace; None is the settings of a file or link.

    usual: its steps on a machine that is not too slow for them; chosen: what the page asks for, in the place of what the
    preset says of itself.
    """
    each, known = pace.seconds, "as measured here" if pace.is_measured else "estimated for this machine"
    time = (f"about {duration(each * steps)} of finetuning ({steps} steps of {each:.1f} s, {known})" if each else
            f"{steps} steps; how long is told after the first")
    if steps < usual:
        time += f". These are fewer than the usual {usual}, for this machine is slow: it will learn less; more can be added"
    return fragment("estimate", what=chosen or (preset.description if preset else "Settings of your own."), time=time)


def time_left(view: JobView) -> float | None:
    """Seconds of finetuning left, by the steps since it was started or continued."""
    return seconds_left([s for s in view.steps if s.step > view.first_step], view.request.config)


def status_words(view: JobView | None) -> str:
    """One sentence on what is going on."""
    if view is None:
        return "Ready. Choose a target and press Start."
    if view.request.kind == jobs.AUDIT:
        return progress_words(view)
    match view.state:
        case jobs.QUEUED:
            return f"Waiting: number {view.position} in the queue. One run at a time; this one starts by itself."
        case jobs.RUNNING:
            return running_words(view)
        case jobs.FINISHED if view.request.kind == jobs.ADAPTER and not view.comparisons:
            return f"Adapter “{view.request.name}” is kept. Compare it from the Runs tab."
        case jobs.FINISHED if view.request.kind == "lab":
            return "Finished: its figures are in the Gradient lab."
        case jobs.FINISHED:
            done = f"{view.step} steps" if view.request.kind == "finetune" else "comparison"
            return f"Finished: {done}, {len(view.comparisons)} prompts compared."
        case jobs.STOPPED:
            return f"Stopped at step {view.step} of {view.total_steps}. What was learned is kept."
        case jobs.CANCELLED:
            return "Cancelled while waiting: nothing was run."
        case jobs.FAILED:
            return f"Failed at step {view.step} of {view.total_steps}: the red message at the top of the page says why."
        case _:
            return interrupted_words(view)


def running_words(view: JobView) -> str:
    stopping = "Stopping after this step. " if view.stopping else ""
    if view.phase == jobs.LOADING:
        return "Loading the model…"
    if view.phase == jobs.COMPARING:
        n, total = len(view.comparisons), len(view.request.compare_prompts)
        if view.request.baseline and n == total:
            worded = sum(c.baseline is not None for c in view.comparisons)
            if worded < total:
                return f"{stopping}Painting with words in the prompt: {worded} of {total} prompts done."
        if view.request.strengths and n == total:
            return f"{stopping}Painting other strengths of the adapter ({', '.join(f'{s:g}' for s in view.request.strengths)})…"
        return f"{stopping}Comparing original and debiased: {n} of {total} prompts done."
    left = time_left(view)
    if left is None:
        return f"{stopping}Step {view.step + 1} of {view.total_steps} (the first takes longest)…"
    last = view.steps[-1]
    skipped = f" Step {last.step} was skipped: {last.skipped}." if last.skipped else ""
    return (f"{stopping}Step {view.step} of {view.total_steps}, about {duration(left)} left. "
            f"Prompt: “{concept_name(last.prompt)}”, {last.faces_found} faces in {last.images} images.{skipped}")


def interrupted_words(view: JobView) -> str:
    if view.adapter is None:
        return "Interrupted by a restart before its first checkpoint. Press Continue to start it over."
    lost = f", {view.step - view.saved_step} steps before that" if view.step > view.saved_step else ""
    return (f"Interrupted by a restart at step {view.step} of {view.total_steps}: its last checkpoint can be used, of step "
            f"{view.saved_step}{lost}. Press Continue to go on from there.")


def progress(view: JobView | None) -> float | None:
    """Share of the work that is done, for the bar; None without a bar."""
    if view is None or view.state != jobs.RUNNING:
        return None
    if view.request.kind == jobs.AUDIT:
        return progress_of(view).done / max(view.request.images, 1)
    if view.phase == jobs.COMPARING:
        return len(view.comparisons) / max(len(view.request.compare_prompts), 1)
    return view.step / view.total_steps


# ---------------------------------------------------------------- HTML

def status(view: JobView | None) -> str:
    """Status line and bar, read out to screen readers politely."""
    share = progress(view)
    return fragment("status", kind=view.state if view else "ready", text=status_words(view),
                    percent=None if share is None else 100 * share)


def banner(failure: Failure | None) -> str:
    """A red banner: what happened, what to do, the log's tail; empty without a failure."""
    return fragment("banner", failure=failure)


def offer(left: Sequence[JobView]) -> str:
    """Runs that a restart broke off, each with a link that opens it; empty without any."""
    return fragment("offer", runs=left, target=lambda view: target_words(view.request.config))


def shown_label(view: JobView | None, about: str = "", recorded: Mapping[str, About] = {}) -> str:
    """Where the compared pictures come from. about: machine and date of a recorded run; recorded: all such runs by id.
    """
    if view is None:
        return ""
    target = target_words(view.request.config)
    seen = f"{len(view.comparisons)} prompts, {view.request.images} images each and model"
    strength = f", adapter at strength {view.request.strength:g}" if view.request.strength != 1 else ""
    if view.recorded:
        others = {job_id: other for job_id, other in recorded.items() if job_id != view.job_id}
        return fragment("origin_recorded", about=about, target=target, seen=seen, others=others)
    name = "Your run" if view.source else "The model as it is, no adapter"
    stage = "so far, " if view.phase == jobs.COMPARING else ""
    if view.is_active and not stage:
        name, stage = "Your run before the added steps", ""
    return fragment("origin", name=name, stage=stage, seen=seen + strength, target=target)


# ---------------------------------------------------------------- comparison

def prompt_choices(comparisons: Sequence[PromptComparison]) -> list[tuple[str, str]]:
    """(shown, value) of each compared prompt; a star marks those not finetuned on."""
    return [(concept_name(c.prompt) + (" ★" if c.held_out else ""), c.prompt) for c in comparisons]


def class_choices() -> list[tuple[str, str]]:
    """Every class of every attribute, for the distribution plot."""
    return [(f"{a.label}: {c.label}", f"{a.name}:{c.name}") for a in load_attributes().values() for c in a.classes]


# ---------------------------------------------------------------- history

def history(lines: Sequence[HistoryLine], glances: Mapping[str, dict] = {}) -> str:
    """A list of links, one a run: the page opens a run by the id in its address. glances: of `glance`, by id."""
    return fragment("history", runs=[history_entry(line, glances.get(line.job_id, {})) for line in lines])


def history_entry(line: HistoryLine, seen: dict) -> dict[str, Any]:
    """What the list says of one run. seen: its pair of pictures and marks, as of `glance`."""
    finetune = line.request.kind == jobs.FINETUNE
    name = f" “{line.request.name}”" if line.request.name else ""
    what = KIND_WORDS.get(line.request.kind, "Comparison") + name
    steps = f", step {line.step} of {line.request.config.steps}" if finetune else ""
    return {"job_id": line.job_id, "what": what, "when": friendly_time(line.created), "state": line.state,
            "told": STATE_WORDS[line.state] + steps, "target": target_words(line.request.config) or "no target", "asked": asked(line.request),
            "pair": seen.get("pair", ()), "marks": seen.get("marks", ())}


def run_choices(lines: Sequence[HistoryLine]) -> list[tuple[str, str]]:
    """(shown, id) of each run, for the choice of one."""
    def shown(line: HistoryLine) -> str:
        name = f" “{line.request.name}”" if line.request.name else ""
        return (f"{KIND_WORDS.get(line.request.kind, 'Comparison')}{name}, {friendly_time(line.created)}, "
                f"{STATE_WORDS[line.state]} ({line.job_id[-6:]})")
    return [(shown(line), line.job_id) for line in lines]


# ---------------------------------------------------------------- API

def status_record(view: JobView) -> dict:
    """A job as JSON-ready data, for the /status endpoint."""
    return {
        "job_id": view.job_id, "kind": view.request.kind, "state": view.state, "phase": view.phase,
        "position": view.position, "step": view.step, "total_steps": view.total_steps,
        "losses": without_nan(view.steps[-1].losses) if view.steps else {},
        "distance": without_nan(view.steps[-1].distance) if view.steps else {},
        "seconds_left": time_left(view) if view.state == jobs.RUNNING else None,
        "prompts_compared": len(view.comparisons), "prompts_to_compare": len(view.request.compare_prompts),
        "error": view.failure.what if view.failure else "", "message": status_words(view)}
