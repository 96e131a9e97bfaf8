"""Jobs as values and as files: a job is a run folder whose `job.json` holds its state."""

import json
import threading
from contextvars import Context, ContextVar, copy_context
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from app.targets.sliders import target_words
from fairness_core import runs
from fairness_core.about import About, machine
from fairness_core.errors import UserError
from fairness_core.events import Event, FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.files import write_atomically
from fairness_core.results import PromptComparison
from fairness_core.runs.corrections import Correction, load_corrections
from fairness_core.settings.config import FinetuneConfig, from_plain, to_plain
from fairness_core.strict_json import to_json

QUEUED, RUNNING = "queued", "running"
FINISHED, STOPPED, CANCELLED, FAILED, INTERRUPTED = "finished", "stopped", "cancelled", "failed", "interrupted"
ACTIVE = (QUEUED, RUNNING)
FINETUNE, ADAPTER, AUDIT, CHECK = "finetune", "adapter", "audit", "check"
LOADING, FINETUNING, COMPARING = "loading", "finetuning", "comparing"
STATE_FILE = "job.json"
NOTICE: ContextVar[str] = ContextVar("notice", default="")  # what people should be told of the job at work


class JobError(UserError):
    """A request about a job that cannot be met; the message says what to do."""


@dataclass(frozen=True)
class JobRequest:
    """What is asked for. kind: "finetune" (then compared), "compare" alone, "check" (what must not move), "audit" (of
    `images` pictures made elsewhere, see app.jobs.auditing), or "adapter": one that was kept or brought, under `name`.

    source: the run whose adapter is compared ("": the model as it is); a finetune or adapter is its own source.
    images: images per prompt and model in the comparison, numbered from 0.
    extends: a comparison with the same settings whose images stay; only what is missing is painted.
    baseline: whether what words in the prompt do is painted too; strengths: others of the adapter that are painted too.
    """

    kind: str
    config: FinetuneConfig
    compare_prompts: tuple[str, ...]
    images: int = 16
    seed: int = 0
    strength: float = 1.0
    source: str = ""
    extends: str = ""
    name: str = ""
    baseline: bool = False
    strengths: tuple[float, ...] = ()


@dataclass(frozen=True)
class Failure:
    """what: what happened; todo: what to do now; log: the log's last lines."""

    what: str
    todo: str
    log: str = ""


@dataclass(frozen=True)
class JobView:
    """A job at one moment, for showing. position counts from 1 while queued; film: the latest strips by step; saved_step: the
    last that was saved, from which a finetune that broke off goes on."""

    job_id: str
    request: JobRequest
    state: str
    created: str
    phase: str = ""
    position: int = 0
    steps: tuple[StepDone, ...] = ()
    first_step: int = 0
    saved_step: int = 0
    film: tuple[FilmStrip, ...] = ()
    comparisons: tuple[PromptComparison, ...] = ()
    corrections: tuple[Correction, ...] = ()
    failure: Failure | None = None
    adapter: Path | None = None
    recorded: bool = False
    folder: Path | None = None
    stopping: bool = False
    notice: str = ""

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def step(self) -> int:
        return self.steps[-1].step if self.steps else self.first_step

    @property
    def total_steps(self) -> int:
        return self.request.config.steps

    @property
    def source(self) -> str:
        """The run whose adapter is shown: its own if it has one."""
        return self.job_id if self.request.kind in (FINETUNE, ADAPTER) else self.request.source

    @property
    def can_resume(self) -> bool:
        """Whether a finetune that broke off can go on; one that only lacks its comparison can, too."""
        broke_off = self.state in (INTERRUPTED, FAILED, CANCELLED) or (
            self.state == STOPPED and self.step < self.total_steps)
        return self.request.kind == "finetune" and not self.recorded and broke_off

    @property
    def can_extend(self) -> bool:
        """Whether steps can be added to a finetune that is done."""
        return self.request.kind == "finetune" and not self.recorded and self.state in (FINISHED, STOPPED)


@dataclass(frozen=True)
class HistoryLine:
    """A job in one line."""

    job_id: str
    created: str
    state: str
    request: JobRequest
    step: int


@dataclass
class Job:
    """A job in the queue or at work. Written by the worker alone, but for `stop`, its name and what is asked to be kept.

    keep: names under which the next checkpoint is kept.
    visitor: the context of who asked, in which the job runs: a hosted GPU is lent to that visitor.
    """

    job_id: str
    request: JobRequest
    created: str
    folder: runs.RunFolder
    resume: bool = False
    state: str = QUEUED
    phase: str = ""
    events: list[Event] = field(default_factory=list)
    comparisons: list[PromptComparison] = field(default_factory=list)
    failure: Failure | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    keep: list[str] = field(default_factory=list)
    visitor: Context = field(default_factory=copy_context)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask_to_keep(self, name: str) -> bool:
        """Whether the next checkpoint will be kept under the name: only while the finetune is at work."""
        with self.lock:
            if self.phase == FINETUNING:
                self.keep.append(name)
            return self.phase == FINETUNING

    def end_finetune(self) -> None:
        """Stop ended it if it came; from here on it is about the comparison."""
        with self.lock:
            self.phase = COMPARING
            self.stop.clear()

    def view(self, position: int = 0) -> JobView:
        return view_of(self.job_id, self.request, self.state, self.created, self.folder, self.events,
                       self.comparisons, phase=self.phase, position=position, failure=self.failure,
                       stopping=self.stop.is_set(), notice=self.visitor.get(NOTICE, ""))


def view_of(job_id: str, request: JobRequest, state: str, created: str, folder: runs.RunFolder, events: list[Event],
            comparisons: list[PromptComparison], **more: Any) -> JobView:
    """A resumed run repeats the steps after its checkpoint: they are shown as they went the last time."""
    steps, film, first, saved = {}, {}, 0, 0
    for event in list(events):
        match event:
            case Started(first_step=first):
                steps = {s: e for s, e in steps.items() if s <= first}
                film, saved = {key: e for key, e in film.items() if e.step <= first}, first
            case StepDone():
                steps[event.step] = event
            case FilmStrip():
                film[event.step, event.place] = event
            case Saved(step=saved) | Finished(step=saved): pass
    return JobView(job_id, request, state, created, steps=tuple(steps.values()), first_step=first,
                   saved_step=saved, film=tuple(film.values()), comparisons=tuple(comparisons),
                   adapter=folder.adapter if folder.adapter.exists() else None, folder=folder.path, **more)


def read_state(folder: runs.RunFolder) -> tuple[dict, JobRequest]:
    """What job.json holds. Raises RunError when it is damaged."""
    try:
        data = json.loads((folder.path / STATE_FILE).read_text(encoding="utf-8"))
        asked = dict(data["request"])
        asked |= {"config": from_plain(asked["config"]), "compare_prompts": tuple(asked["compare_prompts"]),
                  "strengths": tuple(asked.get("strengths", ()))}
        return data, JobRequest(**asked)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise runs.RunError(f"{folder.path / STATE_FILE} is damaged ({error}): the run cannot be shown.") from error


def read_view(folder: runs.RunFolder) -> JobView:
    """A job that is over, whole. Raises RunError when its folder is damaged."""
    data, request = read_state(folder)
    failure = Failure(**data["failure"]) if data["failure"] else None
    return view_of(folder.path.name, request, data["state"], data["created"], folder, runs.read_events(folder),
                   runs.load_comparisons(folder), failure=failure, corrections=load_corrections(folder.corrections))


def history_line(folder: runs.RunFolder) -> HistoryLine:
    """One line of the history, read without the images. Raises RunError when job.json is damaged."""
    data, request = read_state(folder)
    step = max((line.get("step", 0) for line in runs.event_lines(folder)), default=0)
    return HistoryLine(folder.path.name, data["created"], data["state"], request, step)


def recorded_view(folder: runs.RunFolder, config: FinetuneConfig, kind: str = FINETUNE, source: str = "") -> JobView:
    """A run made from the command line has no job.json; its settings and comparisons say what was asked."""
    comparisons = runs.load_comparisons(folder)
    images = len(comparisons[0].original.numbers) if comparisons else 16
    request = JobRequest(kind, config, tuple(c.prompt for c in comparisons), images, config.seed, source=source)
    return view_of(folder.path.name, request, FINISHED, "", folder, runs.read_events(folder), comparisons,
                   recorded=True)


def save_state(job: Job) -> None:
    """What the job is now, be it its worker or a page that changed it last: neither writes what the other replaced."""
    with job.lock:
        request = asdict(job.request) | {"config": to_plain(job.request.config)}
        failure = asdict(job.failure) if job.failure else None
        write_json(job.folder.path / STATE_FILE, {"state": job.state, "created": job.created, "request": request, "failure": failure})


def write_json(path: Path, data: dict) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(to_json(data, indent=1), encoding="utf-8"))


def tell_about(job: Job, seconds: float) -> None:
    """Title, machine, date and duration, for the report and the model card."""
    config = job.request.config
    title = f"Toward {target_words(config)}"
    runs.save_about(job.folder, About(title, machine=machine(), date=now(), seconds=seconds, model=config.model))


def now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
