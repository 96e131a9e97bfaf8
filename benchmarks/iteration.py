"""Seconds and memory of one training iteration: the published one, and the engine's.

python -m benchmarks.iteration --images 16 --sampling-steps 10 --timesteps 3 --fewer-steps 6 --out folder
Prints a Markdown table; with --out also writes iteration.json and iteration.md. The ways take turns, so that whatever
else the machine does falls on all of them; the first turn is not counted. Use a machine that does nothing else: the
load is written beside the figures. On a GPU: --device cuda, and --model with the name or the folder of a Stable
Diffusion; without a GPU the command says so.
"""

import argparse
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch

from benchmarks import published
from benchmarks.floor import Passes, engine_passes, matrix_rate, operations, published_passes, unet_operations
from benchmarks.iteration_table import as_markdown
from benchmarks.machine import machine
from benchmarks.memory import peak_megabytes
from benchmarks.stages import Place, StageClock
from fairness_core.models.loading import Model, load_model
from fairness_core.sampling.gradients import ConditioningGradient, scheduler_coefficients, step_weights
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.prompts import prompt_for
from fairness_core.training import objective
from fairness_core.training import start as starting
from fairness_core.training import step as training

ORIGINALS = "originals"
STAGES = ("sampling", ORIGINALS, "faces", "critics", "transport", "sampling again", "backward", "text encoder", "other")
WAYS = PUBLISHED, EQUAL, TUNED, FEWER = ("published", "engine, all timesteps", "engine, as tuned",
                                         "engine, fewer sampling steps")


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


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    model = prepare(args.settings)
    result = measure(model, args.settings, args.repeats)
    if not args.no_memory:
        result["memory"] = {way: in_fresh_process(args.settings, way) for way in args.settings.ways}
    text = as_markdown(result)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "iteration.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        (args.out / "iteration.md").write_text(text, encoding="utf-8")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mini", help="a name in assets/models.yaml")
    parser.add_argument("--concept", default="firefighter", help="what is painted")
    parser.add_argument("--images", type=int, default=16, help="images an iteration")
    parser.add_argument("--sampling-steps", type=int, default=FinetuneConfig.sampling_steps)
    parser.add_argument("--timesteps", type=int, default=FinetuneConfig.timesteps_per_update,
                        help="how many of them carry gradient where not all do")
    parser.add_argument("--fewer-steps", type=int, default=0,
                        help="also the engine with fewer sampling steps than pictures are shown with, as presets tune")
    parser.add_argument("--attributes", nargs="+", default=["gender", "race"], help="balanced to parity")
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0: torch's choice")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-memory", action="store_true", help="skip the three fresh processes")
    parser.add_argument("--out", type=Path, help="folder for iteration.json and iteration.md")
    args = parser.parse_args(arguments)
    if args.repeats < 1:
        parser.error("--repeats must be at least 1.")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("There is no GPU here: leave --device out to measure on the processor.")
    args.settings = Settings(args.model, prompt_for(args.concept), args.images, args.sampling_steps, args.timesteps,
                             args.fewer_steps, tuple(args.attributes), args.threads, args.device)
    return args


def prepare(settings: Settings) -> Model:
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return load_model(settings.model, device=torch.device(settings.device))


def start(model: Model, settings: Settings) -> dict[str, starting.Run]:
    """The ways on one adapter. The published one paints new originals every time; the engine keeps them."""
    known = load_attributes()
    marginals = {a: {c: 1 / len(known[a].classes) for c in known[a].class_names} for a in settings.attributes}
    config = FinetuneConfig(
        model=model.name, prompts=(settings.prompt,), marginals=marginals,
        images_per_prompt=settings.images, sampling_steps=settings.sampling_steps, timesteps_per_update=0,
        guidance_scale=model.entry.guidance_scale, noise_batches=0)
    run = starting.start(model, config)
    return {way: run_of(way, run, settings) for way in settings.ways}


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
            (training, "condition_all", "text encoder"), (ConditioningGradient, "backward", "text encoder")]


def time_turn(way: str, run: starting.Run) -> Turn:
    clock = StageClock(run.model.device, whole=(ORIGINALS,))
    with clock.watching(places(way, run.model)):
        began, processor = time.perf_counter(), time.process_time()
        with clock.stage("other"):
            iterate(way, run)
        return Turn(time.perf_counter() - began, time.process_time() - processor, dict(clock.seconds))


def measure(model: Model, settings: Settings, repeats: int) -> dict:
    """Medians over the repeats by way, with the fastest and the slowest, and the machine they were taken on."""
    load_before = os.getloadavg()[0]
    runs = start(model, settings)
    for way in settings.ways:
        iterate(way, runs[way])  # warms up, and paints the originals that are kept
    originals = runs[EQUAL].original_seconds
    rate, each = matrix_rate(model.device, model.precision), unet_operations(model, model.entry.guidance_scale)
    turns = {way: [] for way in settings.ways}
    for _ in range(repeats):
        for way in settings.ways:
            turns[way].append(time_turn(way, runs[way]))
    return {"settings": vars(settings) | {"repeats": repeats, "precision": str(model.precision),
                                          "micro_batch": published.MICRO_BATCH},
            "machine": machine(model.device), "load": {"before": load_before, "after": os.getloadavg()[0]},
            "originals_seconds": originals, "matrix_rate": rate, "sampling_limit": sampling_limit(each),
            "ways": {way: summary(turns[way]) | floor(way, settings, each, rate) for way in settings.ways}}


def sampling_limit(each: Passes) -> float:
    """Operations of the published iteration over those of sampling once: the same for any number of steps."""
    return operations(published_passes(1), each, 1) / each.forward


def floor(way: str, settings: Settings, each: Passes, rate: float) -> dict:
    """The U-Net's passes, their operations, and the seconds that a matrix product of as many takes."""
    steps = settings.steps_of(way)
    passes = published_passes(steps) if way == PUBLISHED else engine_passes(steps, settings.timesteps_of(way) or steps)
    count = operations(passes, each, settings.images)
    return {"passes": [passes.forward, passes.backward], "operations": count, "floor": count / rate}


def summary(turns: list[Turn]) -> dict:
    seconds = [turn.seconds for turn in turns]
    return {"seconds": median(seconds), "fastest": min(seconds), "slowest": max(seconds),
            "processor_seconds": median(turn.processor_seconds for turn in turns),
            "stages": {stage: median(turn.stages.get(stage, 0.0) for turn in turns) for stage in STAGES}}


def in_fresh_process(settings: Settings, way: str) -> float | None:
    """Peak memory in MiB of one iteration of that way, in a process that has done nothing else but one before it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(peak_of_iteration, settings, way).result()


def peak_of_iteration(settings: Settings, way: str) -> float | None:
    model = prepare(settings)
    run = start(model, settings)[way]
    iterate(way, run)  # the optimizer's state, the originals, and the libraries' own buffers
    return peak_megabytes(lambda: iterate(way, run), model.device)


if __name__ == "__main__":
    main()
