"""A job's log, and its failures in words for people."""

import errno
import logging
import time

from app.jobs.files import Failure, Job
from fairness_core import runs
from fairness_core.errors import UserError, words_for
from fairness_core.events import Event, FilmStrip, Finished, Saved, Started, StepDone

LOG_FILE, LOG_TAIL = "log.txt", 12
log = logging.getLogger(__name__)


def write_log(job: Job, text: str) -> None:
    """Adds to the job's log; a log that cannot be written must not end the job."""
    try:
        with (job.folder.path / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%H:%M:%S')} {text.rstrip()}\n")
    except OSError as error:
        log.warning("log of %s: %s", job.job_id, error)


def log_tail(folder: runs.RunFolder) -> str:
    path = folder.path / LOG_FILE
    return "\n".join(path.read_text(encoding="utf-8").splitlines()[-LOG_TAIL:]) if path.exists() else ""


def describe(event: Event) -> str:
    match event:
        case Started():
            return f"finetune from step {event.first_step} to {event.total_steps}. {event.memory}".removesuffix(". ")
        case StepDone():
            result = event.skipped or f"loss {event.losses.get('total', float('nan')):.3f}"
            return f"step {event.step}: {event.prompt!r}, {event.faces_found}/{event.images} faces, {result}"
        case FilmStrip():
            return f"film strip at step {event.step}"
        case Saved():
            return f"checkpoint at step {event.step}"
        case Finished():
            return f"finetune {event.reason} at step {event.step}"


def explain(error: Exception, job: Job) -> Failure:
    """What happened and what to do, in words for people."""
    saved = [e.step for e in job.events if isinstance(e, Saved | Finished)]
    kept = f"What was learned until step {saved[-1]} is kept: press Continue to go on from there. " if saved else ""
    if isinstance(error, UserError):
        what, todo = str(error), "Change the setting and press Start again."
    elif isinstance(error, MemoryError) or "out of memory" in str(error):
        what, todo = "The machine ran out of memory.", "Choose fewer images per prompt in Advanced."
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        what, todo = "The disk is full.", "Remove old run folders and try again."
    elif isinstance(error, OSError):
        what, todo = words_for(error), "Press Start to try again. If it happens again, report it with the log below."
    else:
        what = f"An unexpected error: {type(error).__name__}: {error}"
        todo = "Press Start to try again. If it happens again, report it with the log below."
    return Failure(what, kept + todo, log_tail(job.folder))
