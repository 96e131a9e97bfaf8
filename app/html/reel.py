"""A finetune that is over, played again: its film strips one after the other. Pure functions."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from app.html.first_look import side
from app.html.fragment import fragment
from app.html.live import as_images, controlled
from fairness_core.events import FilmStrip
from fairness_core.plots import concept_name
from fairness_core.settings.config import FinetuneConfig

MOST_FRAMES = 12  # the first and the last are always among them


def reel(film: Sequence[FilmStrip], config: FinetuneConfig) -> str:
    """Frames that the page plays, step by step."""
    names = [a.name for a in controlled(config)]
    ordered = sorted(film, key=lambda strip: (strip.step, strip.place))
    by_step = [(step, list(strips)) for step, strips in groupby(ordered, lambda strip: strip.step)]
    chosen = np.unique(np.linspace(0, len(by_step) - 1, MOST_FRAMES).round().astype(int)) if by_step else ()
    frames = [frame(*by_step[i], names) for i in chosen]
    return fragment("reel", frames=frames, steps=config.steps)


def frame(step: int, strips: Sequence[FilmStrip], names: Sequence[str]) -> dict[str, Any]:
    rows = []
    for strip in strips:
        images = as_images(strip)
        pictures = [side(f"step {step}", images, i, names) for i in range(len(strip.images))]
        rows.append({"concept": concept_name(strip.prompt), "pictures": pictures})
    return {"step": step, "rows": rows}
