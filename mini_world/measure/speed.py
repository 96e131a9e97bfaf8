"""Time and size."""

import time
from pathlib import Path

from fairness_core.models.loading import Model, ModelEntry, load_entry
from fairness_core.settings.prompts import prompt_for
from mini_world.measure.judging import paint_judged

TIMED_IMAGES = 16


def load_timed(entry: ModelEntry) -> tuple[Model, float]:
    """(model, seconds)."""
    started = time.perf_counter()
    model = load_entry(entry)
    return model, round(time.perf_counter() - started, 2)


def seconds_by_steps(model: Model, images: int = TIMED_IMAGES) -> dict[str, float]:
    """Sampling steps -> seconds to paint and judge so many images."""
    prompts, steps = {"": prompt_for("teacher")}, sorted({model.entry.sampling_steps, 20})
    paint_judged(model, prompts, 2, 2)  # the first call also warms up
    seconds = {}
    for count in steps:
        started = time.perf_counter()
        paint_judged(model, prompts, images, count)
        seconds[str(count)] = round(time.perf_counter() - started, 2)
    return seconds


def megabytes(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20, 1)
