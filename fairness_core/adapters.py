"""LoRA on the text encoder: attach, scale, average, save, load. The only place that knows peft."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fairness_core.files import write_atomically

ADAPTER_NAME = "fairness"
FILE_NAME = "pytorch_lora_weights.safetensors"  # the name diffusers' load_lora_weights looks for
TEXT_ENCODER_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
PREFIX = "text_encoder."
MODEL_PREFIX = "text_model."  # in CLIP's names before transformers 5; diffusers reads files with it whatever its version


class AdapterError(ValueError):
    """An adapter file that cannot be used; the message says why."""


def attach_lora(text_encoder: nn.Module, rank: int, seed: int) -> list[nn.Parameter]:
    """Adds LoRA of this rank (alpha = rank) to attention and MLP; returns the trainable float32 parameters.

    The adapter starts as the identity. An adapter attached earlier is removed first.
    """
    detach_lora(text_encoder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        settings = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TEXT_ENCODER_TARGETS))
        text_encoder.add_adapter(settings, ADAPTER_NAME)
    parameters = [p for p in text_encoder.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.data = parameter.data.float()
    return parameters


def detach_lora(text_encoder: nn.Module) -> None:
    """Removes the adapter and peft's wrappers, if there are any; the text encoder is as it was loaded."""
    if ADAPTER_NAME in getattr(text_encoder, "peft_config", {}):
        text_encoder.delete_adapter(ADAPTER_NAME)
    for name, layer in list(text_encoder.named_modules()):
        if isinstance(layer, LoraLayer):
            parent, _, child = name.rpartition(".")
            setattr(text_encoder.get_submodule(parent), child, layer.base_layer)


@contextmanager
def adapter_strength(text_encoder: nn.Module, strength: float) -> Iterator[None]:
    """Scales the adapter inside the block: 0 is the original model, 1 the adapter as trained."""
    layers = [m for m in text_encoder.modules() if isinstance(m, LoraLayer) and ADAPTER_NAME in m.scaling]
    before = [layer.scaling[ADAPTER_NAME] for layer in layers]
    for layer in layers:
        layer.set_scale(ADAPTER_NAME, strength)
    try:
        yield
    finally:
        for layer, scale in zip(layers, before):
            layer.scaling[ADAPTER_NAME] = scale


@dataclass
class MovingAverage:
    """Exponential moving average of parameters, corrected for its start: what is saved and shown."""

    decay: float
    values: list[Tensor]
    weight: float = 0.0

    @classmethod
    def of(cls, parameters: list[nn.Parameter], decay: float) -> "MovingAverage":
        return cls(decay, [torch.zeros_like(p) for p in parameters])

    @torch.no_grad()
    def update(self, parameters: list[nn.Parameter]) -> None:
        self.weight = self.decay * self.weight + 1 - self.decay
        for value, parameter in zip(self.values, parameters):
            value.mul_(self.decay).add_(parameter, alpha=1 - self.decay)

    @contextmanager
    def applied(self, parameters: list[nn.Parameter]) -> Iterator[None]:
        """The parameters hold their average inside the block. Without any update, they stay as they are."""
        own = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            if self.weight:
                for parameter, value in zip(parameters, self.values):
                    parameter.copy_(value / self.weight)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(parameters, own):
                    parameter.copy_(value)


def save_adapter(text_encoder: nn.Module, folder: Path) -> Path:
    """Writes the adapter as diffusers' load_lora_weights expects it; atomically. Returns the file."""
    from diffusers import StableDiffusionPipeline

    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(text_encoder, adapter_name=ADAPTER_NAME)
    layers = {MODEL_PREFIX + k.removeprefix(MODEL_PREFIX): v.contiguous() for k, v in state.items()}
    path = folder / FILE_NAME
    write_atomically(path, lambda part: StableDiffusionPipeline.save_lora_weights(
        part.parent, text_encoder_lora_layers=layers, weight_name=part.name))
    return path


def load_adapter(text_encoder: nn.Module, path: Path) -> None:
    """Attaches the adapter in a safetensors file, replacing any other.

    Raises AdapterError for a file that is not safetensors, is cut short, holds no text-encoder LoRA,
    or was trained on a model of another shape.
    """
    own = MODEL_PREFIX if hasattr(text_encoder, "text_model") else ""
    tensors = {own + k.removeprefix(PREFIX).removeprefix(MODEL_PREFIX): v
               for k, v in read_tensors(path).items() if k.startswith(PREFIX)}
    ranks = {v.shape[0] for k, v in tensors.items() if "lora_A" in k and v.ndim and len(v)}
    if len(ranks) != 1:
        raise AdapterError(f"{path.name} holds no LoRA for the text encoder that this app can read.")
    attach_lora(text_encoder, ranks.pop(), seed=0)
    wanted = get_peft_model_state_dict(text_encoder, adapter_name=ADAPTER_NAME)
    shapes, wanted_shapes = ({k: v.shape for k, v in state.items()} for state in (tensors, wanted))
    if shapes != wanted_shapes:
        detach_lora(text_encoder)
        name, _ = min(shapes.items() ^ wanted_shapes.items())
        raise AdapterError(f"{path.name} was made for another model: {name} does not fit.")
    set_peft_model_state_dict(text_encoder, tensors, adapter_name=ADAPTER_NAME)
    for parameter in text_encoder.parameters():
        parameter.requires_grad_(False)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises AdapterError when it is not one, or not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}
    except FileNotFoundError:
        raise AdapterError(f"There is no adapter file {path.name}.") from None
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise AdapterError(f"{path.name} is not a whole safetensors file ({error}). "
                           "Only safetensors are accepted.") from None
