"""Runs of the page as those that are set side by side."""

from collections.abc import Mapping, Sequence

from app.jobs.files import JobError, JobRequest, JobView
from app.requests import settings
from app.targets.sliders import target_words
from app.text import friendly_time
from fairness_core import runs
from fairness_core.about import About
from fairness_core.report.side_by_side import Run

KIND = "strengths"
STRENGTHS = (.25, .5, .75, 1.25, 1.5)  # beside 1; 0 is the original
MOST_PROMPTS, MOST_IMAGES, LONGEST_NAME = 6, 16, 40


def as_run(view: JobView, recorded: Mapping[str, About]) -> Run:
    """A run with all strengths that its folder holds. Raises JobError where nothing was compared, RunError for a damaged
    folder. recorded: what is told of the runs that ship with the app, by id."""
    if not view.comparisons:
        raise JobError(f"Run {view.job_id} has compared nothing yet: choose another one, or wait until it has.")
    sweep = {view.request.strength: view.comparisons} | runs.strength_sweep(runs.RunFolder(view.folder))
    return Run(run_name(view, recorded), view.request.config, dict(sorted(sweep.items())))


def run_name(view: JobView, recorded: Mapping[str, About]) -> str:
    """Short enough for a legend, and of no other run."""
    if view.recorded:
        return f"{recorded[view.job_id].title} (recorded)"
    what = view.request.name or target_words(view.request.config) or "no target"
    cut = what if len(what) <= LONGEST_NAME else what[:LONGEST_NAME - 1].rstrip() + "…"
    return f"{cut}, {friendly_time(view.created)} ({view.job_id[-6:]})"


def strengths_request(view: JobView) -> JobRequest:
    """The run's adapter at strengths 0 to 1.5, on few prompts and pictures: it is a curve, not a verdict. Raises JobError."""
    if not view.source:
        raise JobError("The model as it is has no adapter whose strength could be changed: choose a finetune.")
    asked = settings.again(view, extends="", strength=1.0, strengths=STRENGTHS, baseline=False,
                           images=min(view.request.images, MOST_IMAGES))
    prompts = [c.prompt for c in sorted(view.comparisons, key=lambda c: not c.held_out)][:MOST_PROMPTS]
    return JobRequest(**vars(asked) | {"kind": KIND, "compare_prompts": tuple(prompts)})


def identity(views: Sequence[JobView]) -> tuple:
    """Changes whenever a figure may change."""
    return tuple((view.job_id, sum(len(c.original.numbers) + (c.baseline is not None) for c in view.comparisons), view.corrections,
                  tuple(sorted(p.stat().st_mtime_ns for p in view.folder.glob("strength-*/comparisons.json"))))
                 for view in views)
