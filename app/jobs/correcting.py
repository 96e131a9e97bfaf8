"""A comparison corrected by hand: stored beside it, and followed by every figure and file."""

from collections.abc import Sequence

from app.jobs.files import JobError, JobView
from fairness_core import runs
from fairness_core.runs.corrections import Correction, corrected, save_corrections


def correct(view: JobView, corrections: Sequence[Correction]) -> None:
    """Puts these corrections in the place of earlier ones; a finetune's zip is made anew.

    Raises JobError for a job that is at work, CorrectionError for an image that is not there.
    """
    if view.is_active:
        raise JobError("This comparison is still being painted: correct it when it is done.")
    folder = runs.RunFolder(view.folder)
    corrected(runs.load_comparisons(folder, as_perceived=True), corrections)
    save_corrections(folder.corrections, corrections)
    if view.request.kind == "finetune" and view.adapter:
        runs.bundle(folder)
