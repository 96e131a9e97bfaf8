"""bench: how long a finetuning step and an image take on this machine, as one JSON record."""

import json
import statistics
import tempfile
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from fairness_core.about import machine
from fairness_core.commands.common import DONE, load_settings, loaded
from fairness_core.evaluation.compare import paint
from fairness_core.events import StepDone
from fairness_core.models.loading import Model
from fairness_core.settings.config import FinetuneConfig
from fairness_core.training.finetune import finetune


def run(options: Namespace) -> int:
    config = load_settings(options.config, options.set)
    model = loaded(config.model, options.memory)
    first, *others = timed_steps(model, replace(config, steps=options.steps + 1))
    usual = statistics.median(step.seconds - step.original_seconds for step in others)
    images = config.images_per_prompt * config.prompts_per_step
    print(json.dumps({
        "machine": machine(), "precision": str(model.precision).removeprefix("torch."), "model": config.model,
        "seconds_of_the_first_step": round(first.seconds, 3), "of_which_originals": round(first.original_seconds, 3),
        "seconds_per_step": round(usual, 3), "steps_timed": len(others), "images_per_step": images,
        "trained_images_per_second": round(images / usual, 3),
        "sampled_images_per_second": round(sampled_per_second(model, config), 3)}, indent=1))
    return DONE


def timed_steps(model: Model, config: FinetuneConfig) -> list[StepDone]:
    """Every step with its seconds; those on the original's images, painted once a prompt, are told apart."""
    with tempfile.TemporaryDirectory() as scratch:
        return [event for event in finetune(model, config, Path(scratch)) if isinstance(event, StepDone)]


def sampled_per_second(model: Model, config: FinetuneConfig) -> float:
    """Images a second of sampling alone, after one round to warm up."""
    numbers = range(config.images_per_prompt)
    for _ in range(2):
        started = time.monotonic()
        paint(model, config.prompts[0], numbers, config.seed, config.sampling_steps, config.guidance_scale)
    return len(numbers) / (time.monotonic() - started)
