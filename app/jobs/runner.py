"""One background worker and its queue. A job outlives the page that asked for it, and is found again by its id.

What the engine tells is appended to the job's run folder at once, so a page that comes back, another tab, or a
restarted server all read the same truth.
"""

import logging
import shutil
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app.engine import Engine
from app.jobs.adapter_entries import bring_adapter, checked_name, keep_checkpoint
from app.jobs.auditing import AuditAsked, start_audit
from app.jobs.correcting import correct
from app.jobs.files import (ACTIVE, CANCELLED, LOADING, RUNNING, HistoryLine, Job, JobError, JobRequest, JobView, now,
                            save_state)
from app.jobs.lengths import check_request
from app.jobs.log import write_log
from app.jobs.pace import Paces
from app.jobs.store import JobStore
from app.jobs.turn import Turn
from app.jobs.visitors import Visitors
from app.jobs.work import Work, adapter_of
from fairness_core import runs
from fairness_core.results import PromptComparison
from fairness_core.runs.corrections import Correction
from fairness_core.settings.config import FinetuneConfig

MOST_QUEUED = 50
CLOSING_SECONDS = 60  # a step of a large model takes that long, and would be lost
log = logging.getLogger(__name__)


class JobRunner:
    """Takes jobs, runs one at a time on one thread, and answers what became of each.

    runs_root: where run folders are made; recorded_root: finished runs that ship with the app, read only; visitors:
    what each may ask for. Whatever is asked raises LimitError, a JobError, where that is too much.

    Whoever has a run's id may look at it and compare with its adapter or images in a run of their own. What changes a
    run goes through `changing`.
    """

    def __init__(self, engine: Engine, runs_root: Path, recorded_root: Path, visitors: Visitors | None = None):
        self.visitors, self.runs_root = visitors or Visitors(), runs_root
        self.engine = replace(engine, find_model=None) if self.visitors.limits else engine
        self.store = JobStore(runs_root, recorded_root)
        self.closing = threading.Event()
        self.paces = Paces(runs_root / "paces.json", engine.machine_speed)
        self.work = Work(self.engine, runs_root, self.view, self.visitors.note, self.closing, self.paces)
        self.acting, self.turn = threading.Lock(), Turn()
        self.changed = threading.Condition()
        self.queue: deque[Job] = deque()
        self.live: dict[str, Job] = {}
        self.interrupted = self.store.mark_interrupted()
        self.thread = threading.Thread(target=self.work_off, name="jobs", daemon=True)
        self.thread.start()

    # ------------------------------------------------------------ asking

    def submit(self, request: JobRequest) -> str:
        """Queues a job and returns its id. Raises JobError for a full queue, an unknown source or a prompt that is too long."""
        check_request(self.engine, request)
        if request.source:
            adapter_of(self.view(request.source))
        job_id = runs.new_run_id()
        self.enqueue(Job(job_id, request, now(), runs.run_path(self.runs_root, job_id)))
        return job_id

    def bring(self, path: Path, request: JobRequest) -> str:
        """Queues the comparison of someone's adapter file and returns its id. Raises AdapterError, JobError."""
        check_request(self.engine, request)
        return self.queue_made(bring_adapter(self.runs_root, path, request.config), request)

    def audit(self, asked: AuditAsked, config: FinetuneConfig) -> str:
        """Queues an audit of pictures that were handed over, by the settings' target, and returns its id.

        Raises PicturesError, TargetError, JobError.
        """
        return self.queue_made(*start_audit(self.engine, self.runs_root, asked, config))

    def queue_made(self, folder: runs.RunFolder, request: JobRequest) -> str:
        """For a folder that holds what was handed over; it goes where the job is refused."""
        try:
            self.enqueue(Job(folder.path.name, request, now(), folder))
        except JobError:
            shutil.rmtree(folder.path)
            raise
        return folder.path.name

    def paint_pair(self, shown: JobView, prompt: str, number: int, strength: float) -> PromptComparison:
        """One pair of a comparison at another strength, at once. Raises JobError while a run is at work, LimitError."""
        with self.turn.of_a_pair():
            self.visitors.spend(replace(shown.request, kind="compare", compare_prompts=(prompt,), images=1))
            return self.work.pair(shown, prompt, number, strength)

    # ------------------------------------------------------------ changing a run

    @contextmanager
    def changing(self, job_id: str) -> Iterator[JobView]:
        """The one gate of all that changes a run: it is for who started it, and one act comes after the other.

        Yields the run as it is. Raises JobError for one that is unknown or recorded, LimitError for someone else's.
        """
        with self.acting:
            view = self.view(job_id)
            if view.recorded:
                raise JobError("A recorded run ships with the app and stays as it is: press “Paint all pairs at this strength” for a comparison "
                               "of your own, or Start for a run of your own.")
            self.visitors.check_own(job_id)
            yield view

    def go_on(self, job_id: str, more_steps: int = 0) -> str:
        """Queues a finetune again from its last checkpoint, with `more_steps` added. Raises JobError."""
        with self.changing(job_id) as view:
            if not (view.can_extend if more_steps else view.can_resume):
                raise JobError(f"Run {job_id} is {view.state}: there is nothing to continue.")
            config = replace(view.request.config, steps=view.total_steps + more_steps)
            folder = runs.run_path(self.runs_root, job_id)
            self.enqueue(Job(job_id, replace(view.request, config=config), view.created, folder, resume=True,
                             events=runs.read_events(folder), comparisons=list(view.comparisons)))
        return job_id

    def keep(self, job_id: str, name: str) -> None:
        """Keeps the averaged adapter under a name: of the step at work, or of a finetune that is over.

        Raises JobError for a name that cannot be used, or a run without an adapter.
        """
        name = checked_name(name)
        with self.changing(job_id):
            job = self.live.get(job_id)
            if job and job.ask_to_keep(name):
                return
            view = self.view(job_id)  # anew: its finetune may have come to its end just now
            if view.adapter is None:
                raise JobError(f"Run {job_id} has learned nothing yet: wait for its first step.")
            self.visitors.note(keep_checkpoint(self.runs_root, runs.RunFolder(view.folder), view.request, view.saved_step, name))

    def rename(self, job_id: str, name: str) -> None:
        """Lists a run under another name. Raises JobError for one that cannot be used."""
        name = checked_name(name)
        with self.changing(job_id), self.changed:
            view = self.view(job_id)  # anew: it may have come to its end just now
            job = self.live.get(job_id) or Job(job_id, view.request, view.created, runs.RunFolder(view.folder),
                                               state=view.state, failure=view.failure)
            job.request = replace(job.request, name=name)  # first: what its worker writes from here on holds it, too
            save_state(job)

    def correct(self, job_id: str, corrections: Sequence[Correction]) -> None:
        """Puts these corrections of a comparison in the place of earlier ones. Raises JobError, CorrectionError."""
        with self.changing(job_id) as view:
            correct(view, corrections)

    def publish(self, job_id: str, name: str, token: str, private: bool) -> str:
        """The address of the run on the Hugging Face hub, where it is put. Raises JobError, RunError, HubError."""
        with self.changing(job_id) as view:
            folder = runs.RunFolder(view.folder)
        return runs.push(folder, name, token, private)  # takes long, and must not keep others from their runs

    def delete(self, job_id: str) -> None:
        """Removes a run that is over, with everything in its folder. Raises JobError."""
        with self.changing(job_id) as view:
            if view.is_active:  # nothing brings it back meanwhile: that would be another act
                raise JobError(f"Run {job_id} is waiting or running: stop it first.")
            shutil.rmtree(view.folder)
            self.live.pop(job_id, None)  # there it is if the disk was full
            self.visitors.forget(job_id)

    def stop(self, job_id: str) -> None:
        """Cancels a queued job; a running one stops after its current step and keeps what it learned."""
        with self.changing(job_id), self.changed:
            job = self.live.get(job_id)
            if job:
                job.stop.set()
            if job in self.queue:
                self.queue.remove(job)
                self.retire(job, CANCELLED)

    # ------------------------------------------------------------ looking

    def view(self, job_id: str) -> JobView:
        """The job as it is now. Raises JobError for an id that is malformed or unknown."""
        with self.changed:
            if job := self.live.get(job_id):
                return job.view(self.queue.index(job) + 1 if job in self.queue else 0)
        return self.store.view(job_id)

    def history(self) -> list[HistoryLine]:
        """Every job of this folder that is to be listed to who asks, newest first."""
        return [line for line in self.store.history() if self.visitors.owns(line.job_id)]

    def left_behind(self) -> list[JobView]:
        """The finetunes that the last server was killed in, as long as nobody went on with them."""
        return self.store.left_behind(filter(self.visitors.owns, self.interrupted))

    def recorded(self) -> JobView | None:
        """The first run that ships with the app, if there is one."""
        return self.store.recorded()

    def close(self) -> None:
        """Stops the worker after its current step, which is saved; for tests and a clean shutdown."""
        with self.changed:
            self.closing.set()
            self.changed.notify_all()
        self.thread.join(timeout=CLOSING_SECONDS)

    # ------------------------------------------------------------ the queue

    def enqueue(self, job: Job) -> None:
        with self.changed:
            if len(self.queue) >= MOST_QUEUED:
                raise JobError(f"{MOST_QUEUED} runs are waiting already: try again when some are done.")
            at_work = [job_id for job_id, other in list(self.live.items()) if other.state in ACTIVE]
            if job.job_id in at_work:
                raise JobError(f"Run {job.job_id} is already waiting or running.")
            self.visitors.admit(job, at_work)
            runs.save_config(job.folder, job.request.config)
            save_state(job)
            self.live[job.job_id] = job
            self.queue.append(job)
            self.changed.notify_all()

    def work_off(self) -> None:
        """What the thread does until the runner is closed."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.queue or self.closing.is_set())
                if self.closing.is_set():
                    return
                job = self.queue.popleft()
                job.state, job.phase = RUNNING, LOADING
            with self.turn.of_a_job():
                state = job.visitor.run(self.work.attempt, job)
            with self.changed:
                self.retire(job, state)

    def retire(self, job: Job, state: str) -> None:
        """The job is over: from here on its folder tells about it. It stays in memory if the disk refuses."""
        job.state, job.phase = state, ""
        write_log(job, f"{state}" + (f": {job.failure.what}" if job.failure else ""))
        try:
            save_state(job)
            del self.live[job.job_id]
        except OSError as error:
            log.warning("run %s could not be written: %s", job.job_id, error)
