"""What the worker does with one job: load the model, finetune, compare; written to the job's folder as it goes."""

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.engine import Engine
from app.jobs.adapter_entries import keep_checkpoint
from app.jobs.auditing import run_audit
from app.jobs.comparing import painted, worded
from app.jobs.files import (ADAPTER, AUDIT, COMPARING, FAILED, FINETUNE, FINETUNING, FINISHED, INTERRUPTED, NOTICE,
                            STOPPED, Job, JobError, JobView, save_state, tell_about)
from app.jobs.lab import LAB, run_lab
from app.jobs.log import describe, explain, write_log
from app.jobs.pace import Paces
from fairness_core import runs
from fairness_core.events import Finished, Saved, StepDone
from fairness_core.results import PromptComparison
from fairness_core.runs.corrections import load_corrections, save_corrections


class Work:
    """Does jobs one after the other. view: any job's view by its id; the model is kept from job to job.

    note: told the id of every checkpoint that is kept, in the context of who asked for it. closing: set when the server
    is closed, which ends whatever is at work. paces: remember how long a step took.
    """

    def __init__(self, engine: Engine, runs_root: Path, view: Callable[[str], JobView], note: Callable[[str], None],
                 closing: threading.Event, paces: Paces):
        self.engine, self.runs_root, self.view, self.note, self.closing = engine, runs_root, view, note, closing
        self.paces = paces
        self.model: tuple[str, Any] | None = None

    def attempt(self, job: Job) -> str:
        """Runs a job; whatever goes wrong becomes its failure, never the worker's end. Returns its last state."""
        try:
            save_state(job)
            return self.run(job)
        except Exception as error:  # the worker must outlive every job
            write_log(job, traceback.format_exc())
            job.failure = explain(error, job)
            return FAILED

    def run(self, job: Job) -> str:
        request = job.request
        if request.kind == AUDIT:
            run_audit(self.engine, job, self.should_stop(job))
            return STOPPED if job.stop.is_set() or self.closing.is_set() else FINISHED
        model = self.load(request.config.model)
        stopped = False
        if request.kind == FINETUNE:
            started = time.monotonic()
            stopped = self.finetune(job, model)
            tell_about(job, time.monotonic() - started)
        if request.kind == LAB:
            run_lab(self.engine.lab, model, job, self.should_stop(job))
        else:
            self.compare(job, model)
        if request.kind == FINETUNE:
            runs.bundle(job.folder)
        if self.closing.is_set():
            return INTERRUPTED  # so that it can be continued, be it for its comparison alone
        return STOPPED if stopped or job.stop.is_set() else FINISHED

    def should_stop(self, job: Job) -> Callable[[], bool]:
        """Stop was pressed, or the server is being closed. Stop ends the finetune, and what was learned is compared."""
        return lambda: job.stop.is_set() or self.closing.is_set()

    def finetune(self, job: Job, model: Any) -> bool:
        """Trains, and keeps what was asked to be kept. Returns whether it was stopped before its last step."""
        job.folder.archive.unlink(missing_ok=True)  # of the run before its added steps
        job.phase = FINETUNING
        try:
            return self.train(job, model)
        finally:
            job.end_finetune()  # who asks to keep something from here on is given what is there
            self.keep_the_rest(job)

    def train(self, job: Job, model: Any) -> bool:
        """Records every event. Returns whether it was stopped before its last step."""
        stopped, steps = False, []
        for event in self.engine.finetune(model, job.request.config, job.folder.path, should_stop=self.should_stop(job),
                                          resume=job.resume, should_save=lambda: bool(job.keep)):
            runs.append_event(job.folder, event)
            job.events.append(event)
            if isinstance(event, StepDone):
                steps.append(event)
            if isinstance(event, Saved | Finished):
                self.keep_asked(job, event.step)
            write_log(job, describe(event))
            stopped = isinstance(event, Finished) and event.reason == STOPPED
        self.paces.remember(job.request.config, steps)
        return stopped

    def compare(self, job: Job, model: Any) -> None:
        """Paints prompt after prompt; every one is on the disk before the next."""
        job.phase, request = COMPARING, job.request
        adapter = job.folder.adapter if request.kind in (FINETUNE, ADAPTER) else (
            adapter_of(self.view(request.source)) if request.source else None)
        if adapter and (notice := self.engine.adapter_notice(request.config.model, adapter)):
            NOTICE.set(notice)
            write_log(job, notice)
        job.comparisons = earlier = self.earlier_images(job)
        runs.save_comparisons(job.folder, earlier)
        started = time.monotonic()
        for prompt, comparisons in painted(self.engine, model, request, adapter, earlier, self.should_stop(job)):
            job.comparisons = comparisons
            runs.save_comparisons(job.folder, comparisons)
            write_log(job, f"compared {prompt!r}")
        pairs = [sum(len(c.original.numbers) for c in comparisons) for comparisons in (earlier, job.comparisons)]
        self.paces.remember_pairs(request.config, time.monotonic() - started, pairs[1] - pairs[0])
        self.paint_more(job, model, adapter)

    def paint_more(self, job: Job, model: Any, adapter: Path) -> None:
        """What stands beside the comparison: words in the prompt, other strengths."""
        request = job.request
        if request.baseline:
            for prompt, comparisons in worded(self.engine, model, request, job.comparisons, self.should_stop(job)):
                job.comparisons = comparisons
                runs.save_comparisons(job.folder, comparisons)
                write_log(job, f"painted {prompt!r} with words in it")
        for strength in request.strengths:
            other = replace(request, strength=strength, extends="")
            for prompt, comparisons in painted(self.engine, model, other, adapter, (), self.should_stop(job)):
                runs.save_comparisons(runs.strength_folder(job.folder, strength), comparisons)
                write_log(job, f"compared {prompt!r} at strength {strength:g}")

    def pair(self, view: JobView, prompt: str, number: int, strength: float) -> PromptComparison:
        """One pair of a job's adapter, painted at another strength. Raises JobError without an adapter."""
        request = view.request
        adapter = adapter_of(view if view.source == view.job_id else self.view(view.source))
        model, started = self.load(request.config.model), time.monotonic()
        [comparison] = self.engine.compare(
            model, [prompt], range(number, number + 1), request.seed, adapter, strength=strength,
            sampling_steps=request.config.steps_shown, guidance_scale=request.config.guidance_scale)
        if self.paces.of_pair(request.config) is None:  # one alone takes longer than one of many
            self.paces.remember_pairs(request.config, time.monotonic() - started, 1)
        return comparison

    def earlier_images(self, job: Job) -> list[PromptComparison]:
        """The comparison that the job extends, as it was perceived; what was corrected in it is taken over."""
        if not job.request.extends:
            job.folder.corrections.unlink(missing_ok=True)  # they were about images that are painted anew
            return []
        extended = runs.RunFolder(self.view(job.request.extends).folder)
        save_corrections(job.folder.corrections, load_corrections(extended.corrections))
        return runs.load_comparisons(extended, as_perceived=True)

    def keep_asked(self, job: Job, step: int) -> None:
        """What was asked to be kept while the step was at work."""
        while job.keep:
            self.note(keep_checkpoint(self.runs_root, job.folder, job.request, step, job.keep.pop(0)))

    def keep_the_rest(self, job: Job) -> None:
        """What was asked to be kept after the last save of a finetune that is over, or broke off."""
        saved = [event.step for event in job.events if isinstance(event, Saved | Finished)]
        if saved:
            self.keep_asked(job, saved[-1])
        for name in job.keep:
            write_log(job, f"“{name}” could not be kept: nothing was learned yet")

    def load(self, name: str) -> Any:
        """The model, kept from job to job."""
        if self.model is None or self.model[0] != name:
            self.model = None  # let go of the old one first: two may not fit
            self.model = (name, self.engine.load_model(name))
        return self.model[1]


def adapter_of(view: JobView) -> Path:
    """The adapter of a run. Raises JobError when there is none."""
    if view.adapter is None:
        raise JobError(f"Run {view.job_id} has no adapter yet: wait for its first checkpoint, or finetune again.")
    return view.adapter
