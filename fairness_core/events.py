"""What a finetune tells its caller, in order: Started, StepDone..., FilmStrip..., Saved..., Finished."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Started:
    first_step: int  # 0, or the step a resumed run continues from
    total_steps: int
    memory: str = ""  # how a GPU's memory is used, in words; empty on a CPU


@dataclass(frozen=True)
class StepDone:
    """step counts from 1. losses: "total", "alignment", "semantics", "face" (means over the images they apply to).

    distance: attribute -> half the L1 distance between this batch's mean probabilities and the target, in [0, 1].
    skipped: why the update was skipped (no face found, gradient not finite), or empty.
    original_seconds: the part of `seconds` spent on the original's images, which a prompt needs once.
    seen, seen_before: attribute -> how many faces are perceived as each class, of this batch and of what the original
    paints from the same noises; empty in runs that were recorded without.
    """

    step: int
    total_steps: int
    seconds: float
    prompt: str
    losses: dict[str, float]
    distance: dict[str, float]
    images: int
    faces_found: int
    skipped: str = ""
    original_seconds: float = 0.0
    seen: dict[str, list[int]] = field(default_factory=dict)
    seen_before: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class FilmStrip:
    """The same fixed noises painted by the adapter as it is after `step` steps; of step 0, by the original.

    images: uint8 [n, h, w, 3]; place: of the prompt among those that are filmed; found: bool [n], whether there is a
    face; probabilities: attribute -> [n, classes], only where found. Runs recorded without have neither of the two.
    """

    step: int
    prompt: str
    images: np.ndarray
    place: int = 0
    found: np.ndarray | None = None
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    step: int
    adapter: Path


@dataclass(frozen=True)
class Finished:
    """reason: "completed" or "stopped"."""

    step: int
    reason: str
    adapter: Path


Event = Started | StepDone | FilmStrip | Saved | Finished
