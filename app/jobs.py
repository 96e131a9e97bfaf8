"""One background worker and its queue. A job outlives the page that asked for it, and is found again by its id.

What the engine tells is appended to the job's run folder at once, so a page that comes back, another tab, or a
restarted server all read the same truth.
"""

import json
import logging
import shutil
import threading
import time
import traceback
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.adapter_entries import bring_adapter, checked_name, keep_checkpoint
from app.comparing import painted
from app.engine import Engine
from app.job_files import (ACTIVE, ADAPTER, CANCELLED, COMPARING, FAILED, FINETUNE, FINETUNING, FINISHED,
                           INTERRUPTED, LOADING, RUNNING, STATE_FILE, STOPPED, HistoryLine, Job, JobError, JobRequest,
                           JobView, history_line, now, read_view, recorded_view, save_state, tell_about, write_json)
from app.job_log import describe, explain, write_log
from app.lab import LAB, run_lab
from fairness_core import runs
from fairness_core.corrections import load_corrections, save_corrections
from fairness_core.events import Finished, Saved
from fairness_core.results import PromptComparison

KEPT_VIEWS, MOST_QUEUED = 6, 50
log = logging.getLogger(__name__)


class JobRunner:
    """Takes jobs, runs one at a time on one thread, and answers what became of each.

    runs_root: where run folders are made; recorded_root: finished runs that ship with the app, read only.
    """

    def __init__(self, engine: Engine, runs_root: Path, recorded_root: Path):
        self.engine, self.runs_root, self.recorded_root = engine, runs_root, recorded_root
        self.changed = threading.Condition()
        self.queue: deque[Job] = deque()
        self.live: dict[str, Job] = {}
        self.views: dict[tuple, JobView] = {}
        self.model: tuple[str, Any] | None = None
        self.closed = False
        runs_root.mkdir(parents=True, exist_ok=True)
        self.interrupted = self.mark_interrupted()
        self.thread = threading.Thread(target=self.work, name="jobs", daemon=True)
        self.thread.start()

    # ------------------------------------------------------------ asking

    def submit(self, request: JobRequest) -> str:
        """Queues a job and returns its id. Raises JobError when the queue is full or the source is unknown."""
        if request.source:
            self.adapter_of(request.source)
        job_id = runs.new_run_id()
        self.enqueue(Job(job_id, request, now(), runs.run_path(self.runs_root, job_id)))
        return job_id

    def go_on(self, job_id: str, more_steps: int = 0) -> str:
        """Queues a finetune again from its last checkpoint, with `more_steps` added. Raises JobError."""
        view = self.view(job_id)
        if not (view.can_extend if more_steps else view.can_resume):
            raise JobError(f"Run {job_id} is {view.state}: there is nothing to continue.")
        config = replace(view.request.config, steps=view.total_steps + more_steps)
        folder = runs.run_path(self.runs_root, job_id)
        self.enqueue(Job(job_id, replace(view.request, config=config), view.created, folder, resume=True,
                         events=runs.read_events(folder), comparisons=list(view.comparisons)))
        return job_id

    def bring(self, path: Path, request: JobRequest) -> str:
        """Queues the comparison of someone's adapter file and returns its id. Raises AdapterError, JobError."""
        folder = bring_adapter(self.runs_root, path, request.config)
        self.enqueue(Job(folder.path.name, request, now(), folder))
        return folder.path.name

    def keep(self, job_id: str, name: str) -> None:
        """Keeps the averaged adapter under a name: of the step at work, or of a finetune that is over.

        Raises JobError for a name that cannot be used, or a run without an adapter.
        """
        name = checked_name(name)
        with self.changed:
            job = self.live.get(job_id)
            if job and job.phase == FINETUNING:
                job.keep.append(name)
                return
        view = self.view(job_id)
        if view.adapter is None:
            raise JobError(f"Run {job_id} has learned nothing yet: wait for its first step.")
        keep_checkpoint(self.runs_root, runs.RunFolder(view.folder), view.request, view.step, name)

    def delete(self, job_id: str) -> None:
        """Removes a run that is over, with everything in its folder. Raises JobError."""
        with self.changed:
            if job_id in self.live:
                raise JobError(f"Run {job_id} is waiting or running: stop it first.")
        view = self.view(job_id)
        if view.recorded:
            raise JobError("The recorded run ships with the app and is not deleted.")
        shutil.rmtree(view.folder)

    def stop(self, job_id: str) -> None:
        """Cancels a queued job; a running one stops after its current step and keeps what it learned."""
        with self.changed:
            job = self.live.get(job_id)
            if job is None:
                self.view(job_id)
                return
            job.stop.set()
            if job in self.queue:
                self.queue.remove(job)
                self.retire(job, CANCELLED)

    def view(self, job_id: str) -> JobView:
        """The job as it is now. Raises JobError for an id that is malformed or unknown."""
        with self.changed:
            if job := self.live.get(job_id):
                return job.view(self.queue.index(job) + 1 if job in self.queue else 0)
        try:
            return self.stored_view(job_id)
        except runs.RunError as error:
            raise JobError(str(error)) from error

    def history(self) -> list[HistoryLine]:
        """Every job of this folder, newest first."""
        lines = []
        for path in self.runs_root.glob(f"*/{STATE_FILE}"):
            try:
                lines.append(history_line(runs.RunFolder(path.parent)))
            except runs.RunError as error:
                log.warning("run %s is left out of the history: %s", path.parent.name, error)
        return sorted(lines, key=lambda line: line.created, reverse=True)

    def left_behind(self) -> list[JobView]:
        """The finetunes that the last server was killed in, as long as nobody went on with them."""
        views = []
        for job_id in self.interrupted:
            try:
                views.append(self.view(job_id))
            except JobError as error:
                log.warning("run %s is not offered: %s", job_id, error)
        return [view for view in views if view.state == INTERRUPTED and view.can_resume]

    def recorded(self) -> JobView | None:
        """The newest run that ships with the app, if there is one."""
        folders = sorted(self.recorded_root.glob("*/config.yaml"), reverse=True)
        try:
            return self.view(folders[0].parent.name) if folders else None
        except JobError as error:
            log.warning("the recorded run cannot be shown: %s", error)
            return None

    def adapter_of(self, source: str) -> Path:
        """The adapter of a run. Raises JobError when there is none."""
        view = self.view(source)
        if view.adapter is None:
            raise JobError(f"Run {source} has no adapter yet: wait for its first checkpoint, or finetune again.")
        return view.adapter

    def close(self) -> None:
        """Stops the worker after its current step; for tests and a clean shutdown."""
        with self.changed:
            self.closed = True
            for job in self.live.values():
                job.stop.set()
            self.changed.notify_all()
        self.thread.join(timeout=10)

    # ------------------------------------------------------------ the queue

    def enqueue(self, job: Job) -> None:
        with self.changed:
            if len(self.queue) >= MOST_QUEUED:
                raise JobError(f"{MOST_QUEUED} runs are waiting already: try again when some are done.")
            if job.job_id in self.live:
                raise JobError(f"Run {job.job_id} is already waiting or running.")
            runs.save_config(job.folder, job.request.config)
            save_state(job)
            self.live[job.job_id] = job
            self.queue.append(job)
            self.changed.notify_all()

    def work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.queue or self.closed)
                if self.closed:
                    return
                job = self.queue.popleft()
                job.state, job.phase = RUNNING, LOADING
            state = self.attempt(job)
            with self.changed:
                self.retire(job, state)

    def attempt(self, job: Job) -> str:
        """Runs a job; whatever goes wrong becomes its failure, never the worker's end. Returns its last state."""
        try:
            save_state(job)
            return self.run(job)
        except Exception as error:  # the worker must outlive every job
            write_log(job, traceback.format_exc())
            job.failure = explain(error, job)
            return FAILED

    def retire(self, job: Job, state: str) -> None:
        """The job is over: from here on its folder tells about it. It stays in memory if the disk refuses."""
        job.state, job.phase = state, ""
        write_log(job, f"{state}" + (f": {job.failure.what}" if job.failure else ""))
        try:
            save_state(job)
            del self.live[job.job_id]
        except OSError as error:
            log.warning("run %s could not be written: %s", job.job_id, error)

    def run(self, job: Job) -> str:
        request = job.request
        model = self.load(request.config.model)
        stopped = False
        if request.kind == LAB:
            run_lab(self.engine.lab, model, job)
            return STOPPED if job.stop.is_set() else FINISHED
        if request.kind == "finetune":
            started = time.monotonic()
            stopped = self.finetune(job, model)
            tell_about(job, time.monotonic() - started)
            job.stop.clear()  # Stop ended the finetune; what was learned is still compared, unless Stop comes again
        job.phase = COMPARING
        adapter = job.folder.adapter if request.kind in (FINETUNE, ADAPTER) else (
            self.adapter_of(request.source) if request.source else None)
        job.comparisons = earlier = self.earlier_images(job)
        runs.save_comparisons(job.folder, earlier)
        for prompt, comparisons in painted(self.engine, model, request, adapter, earlier, job.stop.is_set):
            job.comparisons = comparisons
            runs.save_comparisons(job.folder, comparisons)
            write_log(job, f"compared {prompt!r}")
        if request.kind == "finetune":
            runs.bundle(job.folder)
        return STOPPED if stopped or job.stop.is_set() else FINISHED

    def earlier_images(self, job: Job) -> list[PromptComparison]:
        """The comparison that the job extends, as it was perceived; what was corrected in it is taken over."""
        if not job.request.extends:
            job.folder.corrections.unlink(missing_ok=True)  # they were about images that are painted anew
            return []
        extended = runs.RunFolder(self.view(job.request.extends).folder)
        save_corrections(job.folder.corrections, load_corrections(extended.corrections))
        return runs.load_comparisons(extended, as_perceived=True)

    def finetune(self, job: Job, model: Any) -> bool:
        """Trains and records every event. Returns whether it was stopped before its last step."""
        job.phase = FINETUNING
        stopped = False
        for event in self.engine.finetune(model, job.request.config, job.folder.path, should_stop=job.stop.is_set,
                                          resume=job.resume, should_save=lambda: bool(job.keep)):
            runs.append_event(job.folder, event)
            job.events.append(event)
            if isinstance(event, Saved | Finished):
                self.keep_asked(job, event.step)
            write_log(job, describe(event))
            stopped = isinstance(event, Finished) and event.reason == STOPPED
        return stopped

    def keep_asked(self, job: Job, step: int) -> None:
        """What was asked to be kept while the step was at work."""
        while job.keep:
            keep_checkpoint(self.runs_root, job.folder, job.request, step, job.keep.pop(0))

    def load(self, name: str) -> Any:
        """The model, kept from job to job."""
        if self.model is None or self.model[0] != name:
            self.model = None  # let go of the old one first: two may not fit
            self.model = (name, self.engine.load_model(name))
        return self.model[1]

    # ------------------------------------------------------------ the disk

    def mark_interrupted(self) -> list[str]:
        """The ids of jobs that a killed server left waiting or running, which are told so."""
        found = []
        for path in self.runs_root.glob(f"*/{STATE_FILE}"):
            try:
                data = json.loads(path.read_text())
                if data["state"] in ACTIVE:
                    write_json(path, data | {"state": INTERRUPTED})
                    found.append(path.parent.name)
            except (OSError, ValueError, KeyError) as error:
                log.warning("%s cannot be read: %s", path, error)
        return sorted(found)

    def stored_view(self, job_id: str) -> JobView:
        """A job that is over, from its folder; the last few are kept."""
        folder = runs.run_path(self.runs_root, job_id)
        recorded = not (folder.path / STATE_FILE).exists()
        if recorded:
            folder = runs.run_path(self.recorded_root, job_id)
            if not folder.config.exists():
                raise JobError(f"There is no run {job_id}: it may have been removed. Start a new one.")
        read = [folder.config if recorded else folder.path / STATE_FILE, folder.corrections]
        key = (str(folder.path), *(path.stat().st_mtime_ns for path in read if path.exists()))
        with self.changed:
            if key not in self.views:
                self.views[key] = recorded_view(folder) if recorded else read_view(folder)
                while len(self.views) > KEPT_VIEWS:
                    self.views.pop(next(iter(self.views)))
            return self.views[key]
