"""The ways that one training iteration is measured by: the published one, and the engine's.

Each is one iteration on the same adapter, with the functions that its stages are told apart by.
"""

import time
from dataclasses import dataclass, replace

from benchmarks import published
from benchmarks.stages import Place, StageClock
from fairness_core.models.loading import Model
from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.gradients import ConditioningGradient
from fairness_core.sampling.kept_graphs import KeptGraphs
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig
from fairness_core.training import objective
from fairness_core.training import start as starting
from fairness_core.training import step as training

ORIGINALS = "originals"
STAGES = ("sampling", ORIGINALS, "faces", "critics", "transport", "sampling again", "backward", "text encoder", "other")
WAYS = PUBLISHED, EQUAL, TUNED, FEWER = ("published", "engine, all timesteps", "engine, as tuned",
                                         "engine, fewer sampling steps")
WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Settings:
    model: str
    prompt: str
    images: int
    sampling_steps: int
    timesteps: int
    fewer_steps: int
    attributes: tuple[str, ...]
    threads: int
    device: str

    @property
    def ways(self) -> tuple[str, ...]:
        return WAYS if self.fewer_steps else WAYS[:-1]

    def steps_of(self, way: str) -> int:
        return self.fewer_steps if way == FEWER else self.sampling_steps

    def timesteps_of(self, way: str) -> int:
        """How many of them carry gradient; 0: all."""
        return self.timesteps if way in (TUNED, FEWER) else 0


@dataclass(frozen=True)
class Turn:
    """One iteration. seconds: by the clock; processor_seconds: of all threads; stages: seconds by stage."""

    seconds: float
    processor_seconds: float
    stages: dict[str, float]


def start(model: Model, settings: Settings) -> dict[str, starting.Run]:
    """The ways on one adapter. The published one paints new originals every time; the engine keeps them."""
    known = load_attributes()
    marginals = {a: {c: 1 / len(known[a].classes) for c in known[a].class_names} for a in settings.attributes}
    config = FinetuneConfig(
        model=model.name, prompts=(settings.prompt,), marginals=marginals,
        images_per_prompt=settings.images, sampling_steps=settings.sampling_steps, timesteps_per_update=0,
        guidance_scale=model.entry.guidance_scale, noise_batches=0)
    run = starting.start(model, config)
    runs = {way: run_of(way, run, settings) for way in settings.ways}
    runs[TUNED].originals = runs[EQUAL].originals  # the same pictures
    return runs


def run_of(way: str, run: starting.Run, settings: Settings) -> starting.Run:
    if way == PUBLISHED:
        return run
    steps = settings.steps_of(way)
    weights = step_weights(scheduler_coefficients(run.model.scheduler, steps), run.config.gradient)
    config = replace(run.config, noise_batches=1, sampling_steps=steps, timesteps_per_update=settings.timesteps_of(way))
    return replace(run, config=config, step_weights=weights, originals={})


def iterate(way: str, run: starting.Run) -> None:
    if way == PUBLISHED:
        published.take_step(run)
    else:
        training.take_step(run)


def warm_up(way: str, run: starting.Run) -> None:
    """An iteration that is not counted, of few sampling steps: for what libraries set up at a first call."""
    steps = min(WARM_UP_STEPS, run.config.sampling_steps)
    weights = step_weights(scheduler_coefficients(run.model.scheduler, steps), run.config.gradient)
    iterate(way, replace(run, config=replace(run.config, sampling_steps=steps, timesteps_per_update=0),
                         step_weights=weights, originals={}))


def paint_originals(runs: dict[str, starting.Run]) -> float:
    """Those that the engine keeps; returns the seconds of the first."""
    for way, run in runs.items():
        if way != PUBLISHED:
            with run.model.autocast():
                training.originals_of(run, training.batch_of_step(run))
    return runs[EQUAL].original_seconds


def places(way: str, model: Model) -> list[Place]:
    """Which function is which stage."""
    detector = (type(model.critics.detector), "__call__", "faces")
    if way == PUBLISHED:
        return [detector, (published, "sample_tuned", "sampling"), (published, "sample_original", ORIGINALS),
                (published, "look_at_originals", ORIGINALS), (published, "find_targets", "critics"),
                (published, "crops_of", "faces"), (published, "draw_shares", "transport"),
                (published, "sample_with_graph", "sampling again"), (published, "condition", "text encoder"),
                (published, "decode", "critics"), (published, "losses_of", "critics"),
                (published, "backward", "backward")]
    return [detector, (training, "denoise_in_parts", "sampling"), (training, "paint_originals", ORIGINALS),
            (training, "judge", "critics"), (objective, "crop_for", "faces"),
            (objective, "ask", "transport"), (training, "accumulate_gradients", "backward"),
            (KeptGraphs, "backward", "backward"),
            (training, "condition_all", "text encoder"), (ConditioningGradient, "backward", "text encoder")]


def time_turn(way: str, run: starting.Run) -> Turn:
    clock = StageClock(run.model.device, whole=(ORIGINALS,))
    with clock.watching(places(way, run.model)):
        began, processor = time.perf_counter(), time.process_time()
        with clock.stage("other"):
            iterate(way, run)
        return Turn(time.perf_counter() - began, time.process_time() - processor, dict(clock.seconds))
