"""The audit of pictures made elsewhere as a job: what is asked, how far it is, and what was judged, in the run's folder."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from app.engine import Engine
from app.jobs import files
from app.jobs.files import AUDIT, Job, JobError, JobRequest, JobView, now, write_json
from app.jobs.log import write_log
from fairness_core import runs
from fairness_core.about import About, machine
from fairness_core.files import write_atomically
from fairness_core.pictures.judge_entries import BUILT_IN, usable_judge
from fairness_core.pictures.judged import AUTO, FACES, LARGEST, PROMPTS_FROM, Judged, Progress
from fairness_core.pictures.kept import JUDGED_FILE, load_judged, save_judged
from fairness_core.pictures.limits import PicturesError
from fairness_core.pictures.sources import gather
from fairness_core.report.judged import check_target, report_texts
from fairness_core.settings.config import FinetuneConfig

ASKED_FILE, PROGRESS_FILE = "asked.json", "progress.json"
REPORTS = ("audit.html", "audit.csv", "pictures.csv")


@dataclass(frozen=True)
class AuditAsked:
    """files: uploads, which stay where they are and are gone after a day; judge, faces, prompts_from: see fairness_core.pictures."""

    files: tuple[str, ...]
    judge: str = BUILT_IN
    faces: str = LARGEST
    prompts_from: str = AUTO


def start_audit(engine: Engine, root: Path, asked: AuditAsked,
                config: FinetuneConfig) -> tuple[runs.RunFolder, JobRequest]:
    """A new run's folder that holds what is asked, and the request. config: of it, the target alone counts.

    Raises PicturesError for files, a judge or a choice that cannot be used, TargetError for such a target.
    """
    if asked.faces not in FACES or asked.prompts_from not in PROMPTS_FROM:
        raise PicturesError(f"Choose faces among {', '.join(FACES)}, and where prompts come from among {', '.join(PROMPTS_FROM)}.")
    usable_judge(asked.judge, engine.judges())
    config.target()
    pictures = len(gather([Path(file) for file in asked.files]).pictures)
    folder = runs.run_path(root, runs.new_run_id())
    runs.save_config(folder, config)
    write_json(folder.path / ASKED_FILE, asdict(asked))
    return folder, JobRequest(AUDIT, config, (), images=pictures)


def run_audit(engine: Engine, job: Job, should_stop: Callable[[], bool]) -> None:
    """Judges the pictures; what was judged until a stop is kept. Raises PicturesError where nothing can be."""
    folder = job.folder
    asked, target = asked_of(folder.path), job.request.config.target()
    for told in engine.audit([Path(file) for file in asked.files], asked.judge, asked.faces, asked.prompts_from, should_stop):
        match told:
            case Progress():
                write_json(folder.path / PROGRESS_FILE, asdict(told))
            case Judged():
                check_target(told, target)
                about = About(f"Audit of {told.pictures} pictures", machine=machine(), date=now(), model="")
                runs.save_about(folder, about)
                for name, text in report_texts(told, target, about).items():
                    write_atomically(folder.path / name, lambda part: part.write_text(text, encoding="utf-8"))
                save_judged(folder, told)
                write_log(job, f"judged {told.pictures} pictures, left out {len(told.skipped)}")


def asked_of(folder: Path) -> AuditAsked:
    data = json.loads((folder / ASKED_FILE).read_text(encoding="utf-8"))
    return AuditAsked(**data | {"files": tuple(data["files"])})


def asked_rows(view: JobView) -> list[list[str]]:
    """What was chosen for an audit, as rows of text."""
    asked = asked_of(view.folder)
    return [["pictures", str(view.request.images)], ["judged by", asked.judge], ["faces that count", FACES[asked.faces]],
            ["prompts from", PROMPTS_FROM[asked.prompts_from]]]


def progress_of(view: JobView) -> Progress:
    """How many pictures were looked at so far."""
    path = view.folder / PROGRESS_FILE
    if not path.exists():
        return Progress(0, view.request.images)
    return Progress(**json.loads(path.read_text(encoding="utf-8")))


def judged_of(view: JobView | None) -> Judged | None:
    """What an audit found; None of any other job, or before it is over. Raises RunError for a damaged folder."""
    path = view.folder / JUDGED_FILE if view and view.request.kind == AUDIT else None
    return read(path.parent, path.stat().st_mtime_ns) if path and path.exists() else None


@lru_cache(maxsize=4)
def read(folder: Path, changed: int) -> Judged | None:
    return load_judged(runs.RunFolder(folder))


def finished_audit(view: JobView) -> Judged:
    """Raises JobError for an audit that has judged nothing yet."""
    judged = judged_of(view)
    if judged is None:
        raise JobError(f"Audit {view.job_id} has judged nothing yet: wait until it is over.")
    return judged


def download_paths(view: JobView) -> list[Path]:
    """The report, the table and the list of every picture."""
    return [view.folder / name for name in REPORTS]


def progress_words(view: JobView) -> str:
    """One sentence on an audit."""
    done = progress_of(view)
    match view.state:
        case files.QUEUED:
            return f"Waiting: number {view.position} in the queue. One job at a time; this one starts by itself."
        case files.RUNNING:
            return f"{'Stopping. ' if view.stopping else ''}{done.done} of {done.total} pictures looked at…"
        case files.FINISHED:
            return f"Finished: {done.total} pictures looked at."
        case files.STOPPED:
            return f"Stopped after about {done.done} of {done.total} pictures; what was judged is kept."
        case files.CANCELLED:
            return "Cancelled while waiting: nothing was judged."
        case files.INTERRUPTED:
            return "Interrupted by a restart of the server: hand the pictures over again."
    return "Failed."
