"""What benchmarks.gpu measures, part by part: each keeps what it has so far, for it may be stopped in the middle.

python -m benchmarks.gpu_parts cuda
Answers benchmarks.gpu, see benchmarks.worker.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks import iteration, iteration_ways, operations, preset, real_models
from benchmarks.machine import machine
from benchmarks.waits import waits_of_gpu
from benchmarks.worker import answer
from fairness_core.adapters.attach import detach_adapter
from fairness_core.evaluation.originals import Originals
from fairness_core.events import StepDone
from fairness_core.models.loading import Model, load_model
from fairness_core.runs import RunFolder
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.presets import FOLDER, Preset, load_preset
from fairness_core.settings.prompts import load_concepts, prompt_for
from fairness_core.training import start as starting
from fairness_core.training.finetune import finetune
from fairness_core.training.step import take_step

Keep = Callable[[dict], None]


@dataclass(frozen=True)
class Sizes:
    """held_out: prompts, with `shown` images each; turns: of a step by stage; images, sampling_steps, timesteps,
    fewer_steps: of the iteration side by side; step_images, step_sampling: of one step of a large model.
    """

    held_out: int = 12
    shown: int = 16
    turns: int = 3
    images: int = 8
    sampling_steps: int = 20
    timesteps: int = 5
    fewer_steps: int = 10
    step_images: int = 4
    step_sampling: int = 8


def short(model: Model, chosen: Preset, sizes: Sizes, keep: Keep) -> None:
    """The whole finetune; then by stage; then what it does to concepts that it was not finetuned on."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, steps, began = RunFolder(Path(scratch)), [], time.perf_counter()
        for event in finetune(model, chosen.config, folder.path):
            if isinstance(event, StepDone):
                steps.append(event.seconds)
                record = {"preset": chosen.label, "steps": len(steps), "of": event.total_steps, "memory": model.memory_told,
                          "seconds": time.perf_counter() - began, "seconds_of_the_first": steps[0],
                          "seconds_a_step": sum(steps[1:]) / max(len(steps) - 1, 1),
                          "told": f"step {len(steps)} of {event.total_steps}: {steps[-1]:.3f} s"}
                keep(record)
        record |= {"stages": stages_of(model, chosen.config, sizes.turns), "told": "by stage"}
        keep(record)
        prompts = [prompt_for(concept) for concept in load_concepts().held_out[:sizes.held_out]]
        comparisons = preset.measure(model, chosen, folder, prompts, sizes.shown, Originals())
        keep(record | {"held_out": preset.report(chosen, comparisons), "told": "held-out concepts"})


def stages_of(model: Model, config: FinetuneConfig, turns: int) -> dict[str, float]:
    """Median seconds by stage, of steps after the first."""
    run = starting.start(model, config)
    try:
        take_step(run)
        return iteration.summary([iteration_ways.time_turn(iteration_ways.TUNED, run) for _ in range(turns)])["stages"]
    finally:
        detach_adapter(model)


def side_by_side(model: Model, sizes: Sizes, keep: Keep) -> None:
    """The published iteration and the engine's ways."""
    settings = iteration_ways.Settings(model.name, real_models.PROMPT, sizes.images, sizes.sampling_steps,
                                       sizes.timesteps, sizes.fewer_steps, ("gender", "race"), 0, model.device.type)
    iteration.measure(model, settings, 1, lambda found: keep(found | {"memory_told": model.memory_told}))


def one_step(model: Model, sizes: Sizes, keep: Keep) -> None:
    """The second step: the first one warms up."""
    figures = real_models.measure(model, sizes.step_images, sizes.step_sampling, lambda first: keep(
        {"first_seconds": first, "told": f"the first step, which warms up, took {first:.2f} s"}))
    keep(figures | {"label": model.label, "pixels": model.image_size, "images": sizes.step_images,
                    "sampling_steps": sizes.step_sampling, "memory": model.memory_told,
                    "told": f"the second step took {figures['seconds']:.2f} s"})


def waits(model: Model, config: FinetuneConfig, keep: Keep) -> None:
    """How often the host waits in the second step, and where in the third it does though it need not."""
    run = starting.start(model, config)
    try:
        take_step(run)
        counts = operations.count_step(run)
        record = {"operations": counts.operations.total(), "reads": counts.reads.total(), "of_them": dict(counts.reads),
                  "told": f"{counts.reads.total()} host reads in a step"}
        keep(record)
        elsewhere = waits_elsewhere(run)
        keep(record | {"elsewhere": elsewhere, "told": f"elsewhere than allowed: {elsewhere or 'never'}"})
    finally:
        detach_adapter(model)


def waits_elsewhere(run: starting.Run) -> str:
    """The places of a step that make the host wait where it is not allowed to; empty without any."""
    if run.model.device.type == "cuda":
        with waits_of_gpu() as places:
            take_step(run)
    else:
        with operations.counted() as counts:
            take_step(run)
        places = counts.elsewhere
    return "; ".join(f"{place} ({times})" for place, times in places.items())


def built_in(name: str, device: torch.device) -> tuple[Model, Preset]:
    chosen = load_preset(FOLDER / f"{name}.yaml")
    return load_model(chosen.config.model, device=device), chosen


def built_large(name: str, device: torch.device, keep: Keep) -> Model:
    began = time.perf_counter()
    model = real_models.random_model(name, device)
    keep({"told": f"the networks were made in {time.perf_counter() - began:.1f} s. {model.memory_told}"})
    return model


def run_part(name: str, device: torch.device, sizes: Sizes, keep: Keep) -> None:
    """One of benchmarks.gpu.LIMITS, or "machine": what it runs on."""
    if name == "machine":
        torch.zeros(1, device=device)  # wakes the GPU
        keep(machine(device))
    elif name == "short":
        short(*built_in("mini-short", device), sizes, keep)
    elif name == "iteration":
        side_by_side(built_large("sd15", device, keep), sizes, keep)
    elif name == "waits":
        model, chosen = built_in("mini-short", device)
        waits(model, replace(chosen.config, steps=3), keep)
    else:
        one_step(built_large(name, device, keep), sizes, keep)


def run_and_clear(name: str, device: torch.device, keep: Keep) -> None:
    """Nothing of a part stays on the GPU: the next one's memory follows from what is free."""
    run_part(name, device, Sizes(), keep)
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


if __name__ == "__main__":
    answer(lambda name, keep: run_and_clear(name, torch.device(sys.argv[1]), keep), sys.stdin)
