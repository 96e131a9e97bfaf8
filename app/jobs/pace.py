"""How long a step takes on this machine: as measured here before, else by the preset's figure and a look at the machine."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairness_core.about import machine
from fairness_core.events import StepDone
from fairness_core.files import write_atomically
from fairness_core.settings.config import FinetuneConfig

FEWEST_MEASURED = 5  # steps: the first ones warm up, and paint originals
LEAST_STEPS = 10  # fewer teach nothing
SLACK = 1.5  # a length is cut where it takes this much more than its budget: not by every whim of the machine
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """seconds: of a step here, or None where nothing is known; is_measured: in a finetune here, not estimated."""

    seconds: float | None
    is_measured: bool = False


def estimated(reference: float | None, speed: float | None) -> Pace:
    """reference: seconds a step on the machine that presets were measured on; speed: of this one beside it."""
    return Pace(reference / speed if reference and speed else None)


def steps_within(steps: int, pace: Pace, budget: float | None) -> int:
    """A length's steps; on a slow machine as many as its budget of seconds allows."""
    if not budget or not pace.seconds or pace.seconds * steps <= SLACK * budget:
        return steps
    return min(steps, max(LEAST_STEPS, int(budget / pace.seconds)))


def seconds_a_step(steps: Sequence[StepDone]) -> float | None:
    """The mean of all steps, painting originals included, as presets tell it; None for too few."""
    return sum(step.seconds for step in steps) / len(steps) if len(steps) >= FEWEST_MEASURED else None


def costs(config: FinetuneConfig) -> str:
    """What decides how long a step takes: settings that agree in it share what was measured."""
    return " ".join(map(str, (config.model, config.tune, config.images_per_prompt, config.prompts_per_step,
                              bool(config.kept_prompts), config.sampling_steps, config.timesteps_per_update,
                              config.noise_batches, config.gradient, config.guidance_trained > 1)))


def painting_costs(config: FinetuneConfig) -> str:
    """What decides how long a pair takes to paint and judge."""
    return " ".join(map(str, ("a pair", config.model, config.steps_shown, config.guidance_scale > 1)))


class Paces:
    """What was measured on this machine, kept in a file. speed: of this machine, asked for when it is needed."""

    def __init__(self, path: Path, speed: Callable[[], float | None]):
        self.path, self.speed, self.lock = path, speed, threading.Lock()

    def of(self, config: FinetuneConfig, reference: float | None) -> Pace:
        seconds = self.read().get(costs(config))
        return Pace(seconds, is_measured=True) if seconds else estimated(reference, self.speed())

    def remember(self, config: FinetuneConfig, steps: Sequence[StepDone]) -> None:
        if seconds := seconds_a_step(steps):
            self.keep(costs(config), seconds)

    def of_pair(self, config: FinetuneConfig) -> float | None:
        """Seconds a pair of pictures takes here; None before one was painted."""
        return self.read().get(painting_costs(config))

    def remember_pairs(self, config: FinetuneConfig, seconds: float, pairs: int) -> None:
        if pairs > 0:
            self.keep(painting_costs(config), seconds / pairs)

    def keep(self, name: str, seconds: float) -> None:
        """A disk that refuses costs the estimate, not the finetune."""
        with self.lock:
            kept = {"machine": machine(), "seconds": self.read() | {name: round(seconds, 3)}}
            try:
                write_atomically(self.path, lambda path: path.write_text(json.dumps(kept, indent=1), encoding="utf-8"))
            except OSError as error:
                log.warning("the time of a step cannot be kept: %s", error)

    def read(self) -> dict[str, float]:
        """Nothing where it was measured on another machine, or cannot be read."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return kept["seconds"] if kept["machine"] == machine() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
