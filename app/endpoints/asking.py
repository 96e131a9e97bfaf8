"""What the endpoints share: a client's words -> a request, and its answer when it is there."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from app.jobs.files import JobRequest, JobView
from app.jobs.runner import JobRunner
from app.requests import settings
from app.rooms.desk import Desk
from fairness_core.report import results_record
from fairness_core.report.record import target_if_any
from fairness_core.strict_json import without_nan

POLL_SECONDS = .25


def preset_named(desk: Desk, length: str) -> Any:
    """By its name or its label, in any case. Raises InputError."""
    for preset in desk.presets.values():
        if length.lower() in (preset.name.lower(), preset.label.lower()):
            return preset
    known = ", ".join(p.label for p in desk.presets.values())
    raise settings.InputError(f"Unknown length {length!r}: choose among {known}.")


def compare_request(runner: JobRunner, desk: Desk, prompts: Sequence[str], images: int, seed: int, job_id: str,
                    model: str, strength: float, baseline: bool = False) -> JobRequest:
    """A comparison of a job's adapter, or of the model alone, with words in the prompt beside it if asked for.

    Raises InputError or JobError.
    """
    chosen = settings.checked_prompts([settings.as_prompt(p) for p in prompts])
    settings.number({"images": images}, "images", 1, settings.MOST_IMAGES)
    asked = {"images": images, "seed": seed, "strength": strength, "strengths": (), "baseline": baseline}
    source = runner.view(job_id) if job_id else None
    if baseline and (source is None or target_if_any(source.request.config) is None):
        raise settings.InputError("There is no target to put into words: name in job_id a finetune, whose target it is, or leave "
                                  "baseline out.")
    if source:
        return replace(source.request, kind="compare", compare_prompts=chosen, source=source.source, extends="", **asked)
    config = replace(next(iter(desk.presets.values())).config, marginals={}, prompts=(),
                     model=settings.usable_model(model, runner.engine))
    return JobRequest("compare", config, chosen, **asked)


async def finished(runner: JobRunner, asked: JobRequest, wait_seconds: float) -> JobView:
    """The job once it is over, or as it is after that time. Raises InputError when it failed."""
    return await waited(runner, await asyncio.to_thread(runner.submit, asked), wait_seconds)


async def waited(runner: JobRunner, job_id: str, wait_seconds: float) -> JobView:
    """The same of a job that is queued already."""
    end = time.monotonic() + wait_seconds
    while (view := runner.view(job_id)).is_active and time.monotonic() < end:
        await asyncio.sleep(POLL_SECONDS)
    if view.failure:
        raise settings.InputError(f"{view.failure.what} {view.failure.todo}")
    return view


def events(view: JobView, after: int) -> list[dict]:
    """The finetune's steps after one of them, oldest first; none when it is negative."""
    return [without_nan(asdict(step)) for step in view.steps if 0 <= after < step.step]


def results(view: JobView) -> dict:
    return results_record(view.comparisons, view.request.config) if view.comparisons else {}
