"""Adapters that change the pictures of the tiny model, and what its tests ask of it."""

import pytest
import torch
from helpers.fakes import tiny_model
from torch import Tensor

from fairness_core.adapters.attach import attach_adapter, save_adapter
from fairness_core.evaluation.compare import paint
from fairness_core.models.loading import Model

RANK, ALPHA, STEPS, GUIDANCE, PROMPT, NUMBERS = 3, 8, 3, 3.0, "a nurse", range(2)
KINDS = ("text_encoder", "unet", "both", "tokens")
LORA = ("text_encoder", "unet", "both")
EVERY_KIND, EVERY_LORA = pytest.mark.parametrize("kind", KINDS), pytest.mark.parametrize("kind", LORA)


def attach(model: Model, kind: str, *, seed: int = 0, moved: float = 0.3, **options) -> list[torch.nn.Parameter]:
    """A fresh adapter, moved by `moved` times normal noise, as training would."""
    settings = dict(rank=RANK, alpha=ALPHA, targets=("attention", "mlp"), soft_tokens=4) | options
    parameters = attach_adapter(model, kind, seed=seed, **settings)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(moved * torch.randn(parameter.shape, generator=generator))
    return parameters


def saved(kind: str, folder, **options):
    """The file of an adapter that changes the pictures."""
    model = tiny_model()
    attach(model, kind, **options)
    return save_adapter(model, folder)


def pictures(model: Model, prompt: str = PROMPT) -> Tensor:
    return paint(model, prompt, NUMBERS, 0, STEPS, GUIDANCE)


def weights_of(model: Model) -> dict[str, Tensor]:
    return {f"{part}.{name}": value.clone() for part in ("text_encoder", "unet")
            for name, value in getattr(model, part).state_dict().items()}


def assert_same_weights(model: Model, before: dict[str, Tensor]) -> None:
    after = weights_of(model)
    assert list(after) == list(before) and all(torch.equal(after[name], value) for name, value in before.items())
