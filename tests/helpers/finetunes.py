"""A small finetune, and what its tests ask of it."""

from pathlib import Path

import torch
from helpers.fakes import tiny_model
from safetensors.torch import load_file

from fairness_core.events import StepDone
from fairness_core.settings.config import FinetuneConfig, LossWeights
from fairness_core.training.finetune import finetune

CONFIG = FinetuneConfig(
    model="tiny", prompts=("a nurse", "a chef"), marginals={"gender": {"female": 0.5, "male": 0.5}}, lora_rank=2,
    learning_rate=0.01, steps=4, images_per_prompt=4, sampling_steps=3, timesteps_per_update=2, film_strip_every=2,
    checkpoint_every=2, losses=LossWeights(confidence=0.5))


def stop_after(steps: int):
    """A should_stop that lets `steps` steps pass."""
    asked = iter(range(10_000))
    return lambda: next(asked) >= steps


def run(folder: Path, config: FinetuneConfig = CONFIG, model=None, **options) -> list:
    return list(finetune(model or tiny_model(), config, folder, **options))


def steps_of(events: list) -> list[StepDone]:
    return [event for event in events if isinstance(event, StepDone)]


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_untouched(model, before: dict[str, dict[str, torch.Tensor]]) -> None:
    for part, weights in before.items():
        found = getattr(model, part).state_dict()
        assert list(found) == list(weights)
        assert all(torch.equal(found[name], value) for name, value in weights.items())


def checkpointed(folder: Path) -> list[torch.Tensor]:
    """The trainable parameters in the folder's checkpoint."""
    tensors = load_file(folder / "checkpoint.safetensors")
    return [value for name, value in sorted(tensors.items()) if name.startswith("parameter.")]
