"""Pictures that a client hands over, judged: what /audit answers of them, and /report."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from gradio import FileData
from gradio.utils import get_upload_folder

from app.endpoints.asking import waited
from app.html import render
from app.jobs.auditing import AuditAsked, finished_audit
from app.jobs.files import JobView
from app.jobs.runner import JobRunner
from app.requests.settings_text import InputError
from fairness_core import runs
from fairness_core.metrics.audit import audit as audit_images
from fairness_core.report.judged import judged_html, judged_record, judged_table
from fairness_core.report.table import to_csv
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.settings.config import FinetuneConfig
from fairness_core.strict_json import to_json

MOST_FILES = 2000  # one by one; a zip holds more


def uploads(files: Sequence[FileData]) -> tuple[str, ...]:
    """Where the files lie that this client uploaded. Raises InputError for any other path of this machine."""
    here = Path(get_upload_folder()).resolve()
    paths = [Path(file.path).resolve() for file in files]
    for path in paths:
        if not path.is_relative_to(here) or not path.is_file():
            raise InputError("One of the files was not uploaded to this app: hand it over with gradio_client's handle_file.")
    return tuple(map(str, paths))


async def judged_answer(runner: JobRunner, files: Sequence[FileData], asked: dict[str, str],
                        config: FinetuneConfig, tolerance: float, wait_seconds: float) -> dict:
    """Queues the audit and waits. asked: judge, faces, prompts_from. Raises InputError when it failed."""
    job_id = await asyncio.to_thread(runner.audit, AuditAsked(uploads(files), **asked), config)
    view = await waited(runner, job_id, wait_seconds)
    return status(view) if view.is_active else told(view, config.target(), tolerance)


def status(view: JobView) -> dict:
    return render.status_record(view) | {"audit": {}, "pictures": {}}


def told(view: JobView, target: TargetDistribution, tolerance: float) -> dict:
    """An audit that is over. Raises JobError for one that judged nothing, PicturesError for a target it cannot tell of."""
    judged = finished_audit(view)
    record = judged_record(judged, target, tolerance)
    return render.status_record(view) | {"audit": audit_images(judged.image_sets, target, tolerance).to_plain(),
                                         "pictures": {name: value for name, value in record.items() if name != "audit"}}


def judged_report(view: JobView, format: str) -> str:
    """The text of a file. Raises InputError for a card: no adapter was made."""
    judged, target = finished_audit(view), view.request.config.target()
    match format:
        case "json":
            return to_json({"job_id": view.job_id} | judged_record(judged, target))
        case "csv":
            return to_csv(judged_table(judged, target))
        case "html":
            return judged_html(judged, target, runs.read_about(runs.RunFolder(view.folder)))
    raise InputError("An audit of pictures has no model card: ask for json, csv or html.")
