"""Seconds and memory of one training iteration: the published one, and the engine's.

python -m benchmarks.iteration --images 16 --sampling-steps 10 --timesteps 3 --fewer-steps 6 --out folder
Prints a Markdown table, and before on standard error each turn when it is there; with --out also writes iteration.json
and iteration.md. The ways take turns, so that whatever else the machine does falls on all of them; before, each takes two
sampling steps that are not counted. Use a machine that does nothing else: the load is written beside the figures. On a GPU: --device cuda, and --model with the name or the folder of a Stable
Diffusion; without a GPU the command says so.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import torch

from benchmarks import published
from benchmarks.floor import Passes, engine_passes, matrix_rate, operations, published_passes, unet_operations
from benchmarks.iteration_table import as_markdown, megabytes
from benchmarks.iteration_ways import (PUBLISHED, STAGES, Settings, Turn, iterate, paint_originals, start, time_turn,
                                       warm_up)
from benchmarks.machine import machine
from benchmarks.memory import peak_megabytes
from fairness_core.models.loading import Model, load_model
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.prompts import prompt_for
from fairness_core.training.start import Run
from fairness_core.training.step import keeps_graphs


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    model = prepare(args.settings)
    result = measure(model, args.settings, args.repeats, lambda found: tell(found["told"]))
    if not args.no_memory:
        result["memory"] = {}
        for way in args.settings.ways:
            result["memory"][way] = in_fresh_process(args.settings, way)
            tell(f"{way}: {megabytes(result['memory'][way])} MiB")
    text = as_markdown(result)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "iteration.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        (args.out / "iteration.md").write_text(text, encoding="utf-8")


def tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


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


def measure(model: Model, settings: Settings, repeats: int, keep: Callable[[dict], None] = lambda found: None) -> dict:
    """Medians over the repeats by way, with the fastest and the slowest, and the machine they were taken on.

    keep: called with what is known so far after every turn; its "told" is what is new.
    """
    load_before = os.getloadavg()[0]
    runs = start(model, settings)
    for way in settings.ways:
        warm_up(way, runs[way])
    originals = paint_originals(runs)
    rate, each = matrix_rate(model.device, model.precision), unet_operations(model, model.entry.guidance_scale)
    common = {"settings": vars(settings) | {"repeats": repeats, "precision": str(model.precision),
                                            "micro_batch": published.MICRO_BATCH},
              "machine": machine(model.device), "originals_seconds": originals, "matrix_rate": rate,
              "sampling_limit": sampling_limit(each)}
    turns = {way: [] for way in settings.ways}
    for _ in range(repeats):
        for way in reversed(settings.ways):  # the published one, which takes longest, last
            turns[way].append(time_turn(way, runs[way]))
            result = common | {
                "told": f"{way}: {turns[way][-1].seconds:.2f} s",
                "load": {"before": load_before, "after": os.getloadavg()[0]},
                "ways": {w: summary(turns[w]) | floor(w, runs[w], settings, each, rate) for w in settings.ways if turns[w]}}
            keep(result)
    return result


def sampling_limit(each: Passes) -> float:
    """Operations of the published iteration over those of sampling once: the same for any number of steps."""
    return operations(published_passes(1), each, 1) / each.forward


def floor(way: str, run: Run, settings: Settings, each: Passes, rate: float) -> dict:
    """The U-Net's passes, their operations, and the seconds that a matrix product of as many takes."""
    steps = settings.steps_of(way)
    chosen = settings.timesteps_of(way) or steps
    again = not keeps_graphs(run, settings.images * chosen)
    passes = published_passes(steps) if way == PUBLISHED else engine_passes(steps, chosen, again)
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
