"""What the list of runs shows of one: a pair of pictures and what came of it. Pure functions."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from app.html.headlines import names
from app.html.measures import MARKS, attribute_label
from app.html.pictures import data_uri
from app.jobs.files import CHECK, JobRequest
from fairness_core.metrics.must_not_move import counted, load_panel, what_moved
from fairness_core.report.record import verdicts
from fairness_core.results import PromptComparison

THUMBNAIL, NAMED = 72, 3


def glance(request: JobRequest, comparisons: Sequence[PromptComparison]) -> dict:
    """JSON-ready: pair (addresses of data: one noise before and after) and marks (words and kind), both may be empty."""
    if not comparisons:
        return {"pair": [], "marks": []}
    first = comparisons[0]
    return {"pair": [thumbnail(images.images[0]) for images in (first.original, first.tuned)],
            "marks": panel_marks(comparisons) if request.kind == CHECK else verdict_marks(request, comparisons)}


def verdict_marks(request: JobRequest, comparisons: Sequence[PromptComparison]) -> list[list[str]]:
    """A mark for each controlled attribute."""
    told = verdicts(comparisons, request.config)
    return [[f"{MARKS[one.status][0]}: {attribute_label(name)}", MARKS[one.status][1]] for name, one in told.items()]


def panel_marks(comparisons: Sequence[PromptComparison]) -> list[list[str]]:
    """How many prompts moved that should not have, kept what they say, or cannot be told; no target is asked about."""
    counts = counted(what_moved(comparisons, load_panel()))
    told = [f"{counts.moved} moved", f"{counts.kept} kept", f"{counts.untold} cannot be told"]
    told += [f"{counts.absent} never painted so"] if counts.absent else []
    return [[f"Of {len(comparisons)} prompts {', '.join(told)}",
             "not-yet" if counts.moved else "unclear" if counts.untold else "reached"]]


def thumbnail(picture: np.ndarray) -> str:
    """uint8 [h, w, 3] as the address of a small picture."""
    small = Image.fromarray(picture)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return data_uri(np.asarray(small))


def asked(request: JobRequest) -> str:
    """What it was finetuned on and compared: "32 prompts; compared: judge, chef, nurse and 3 more"."""
    trained, compared = request.config.prompts, request.compare_prompts
    count = "1 prompt" if len(trained) == 1 else f"{len(trained)} prompts"
    return (f"{count}; compared: " if trained and request.kind != CHECK else "") + names(compared, NAMED)
