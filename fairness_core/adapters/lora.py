"""LoRA on one network: attach, scale, read, write, merge. The only place that knows peft's layers."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from fairness_core.adapters.lora_part import LoraPart

ADAPTER_NAME = "fairness"


def attach_lora(network: nn.Module, rank: int, alpha: float, targets: Sequence[str]) -> list[nn.Parameter]:
    """Adds LoRA to the layers whose names end in one of `targets`; returns the trainable float32 parameters.

    The layers' outputs gain alpha / rank times B A x; B starts at zero, A is drawn from torch's global generator.
    LoRA attached earlier is removed first. Raises ValueError when no layer, or one of an unfit kind, has such a name.
    """
    return inject(network, LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(targets)))


def inject(network: nn.Module, config: LoraConfig) -> list[nn.Parameter]:
    detach_lora(network)
    inject_adapter_in_model(config, network, ADAPTER_NAME)
    parameters = [p for layer in lora_layers(network) for p in (layer.lora_A[ADAPTER_NAME].weight,
                                                                 layer.lora_B[ADAPTER_NAME].weight)]
    for parameter in parameters:
        parameter.data = parameter.data.float()
    return parameters


def detach_lora(network: nn.Module) -> None:
    """Removes LoRA and peft's wrappers, if there are any; the network is as it was loaded."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, LoraLayer):
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, layer.base_layer)
    vars(network).pop("peft_config", None)


def lora_layers(network: nn.Module) -> list[LoraLayer]:
    return [m for m in network.modules() if isinstance(m, LoraLayer) and ADAPTER_NAME in m.scaling]


@contextmanager
def lora_strength(network: nn.Module, strength: float) -> Iterator[None]:
    """Multiplies LoRA's contribution by `strength` inside the block."""
    layers = lora_layers(network)
    before = [layer.scaling[ADAPTER_NAME] for layer in layers]
    for layer in layers:
        layer.set_scale(ADAPTER_NAME, strength)
    try:
        yield
    finally:
        for layer, scale in zip(layers, before):
            layer.scaling[ADAPTER_NAME] = scale


def lora_scales(network: nn.Module) -> tuple[float, ...]:
    """How much each layer's LoRA counts now; empty without LoRA."""
    return tuple(layer.scaling[ADAPTER_NAME] for layer in lora_layers(network))


def lora_tensors(network: nn.Module) -> dict[str, Tensor]:
    """LoRA's tensors by peft's names, each layer's alpha / rank multiplied into B; empty without LoRA.

    So their alpha equals their rank, which every reader takes for granted when a file does not say otherwise.
    """
    if not lora_layers(network):
        return {}
    scales = {f"{name}.lora_B.weight": layer.scaling[ADAPTER_NAME] for name, layer in named_lora_layers(network)}
    tensors = get_peft_model_state_dict(network, adapter_name=ADAPTER_NAME)
    return {name: (value * scales.get(name, 1)).contiguous() for name, value in tensors.items()}


def named_lora_layers(network: nn.Module) -> list[tuple[str, LoraLayer]]:
    return [(name, m) for name, m in network.named_modules() if isinstance(m, LoraLayer) and ADAPTER_NAME in m.scaling]


def lora_settings(network: nn.Module) -> dict[str, Any]:
    """What diffusers keeps of peft's LoraConfig beside lora_tensors; empty where it can do without.

    That is so where ranks differ, or where the ends of the layers' names would choose more layers than these.
    """
    layers = dict(named_lora_layers(network))
    ranks = {layer.r[ADAPTER_NAME] for layer in layers.values()}
    ends = sorted({end_of(name) for name in layers})
    chosen = {name for name, _ in network.named_modules() if end_of(name) in ends}
    if len(ranks) != 1 or chosen != set(layers):
        return {}
    (rank,) = ranks
    return {"r": rank, "lora_alpha": rank, "target_modules": ends}


def end_of(name: str) -> str:
    """What tells a kind of layer: "q_proj", or "to_out.0"."""
    *_, parent, last = ("", *name.split("."))
    return f"{parent}.{last}" if last.isdigit() else last


def load_lora(network: nn.Module, part: LoraPart) -> str:
    """Attaches LoRA with these tensors, frozen. Returns the name of one that does not fit, or "".

    Where one does not fit, the network is left without LoRA.
    """
    layers, rank, alpha = sorted(part.ranks), part.rank, part.alpha
    own = [{f"^{re.escape(layer)}": value for layer, value in values.items() if value != common}
           for values, common in ((part.ranks, rank), (part.alphas, alpha))]
    try:
        inject(network, LoraConfig(r=rank, lora_alpha=alpha, target_modules=layers, rank_pattern=own[0],
                                   alpha_pattern=own[1]))
    except ValueError:  # none of the layers is there, or one is no layer that LoRA can be added to
        detach_lora(network)
        return layers[0]
    wanted = get_peft_model_state_dict(network, adapter_name=ADAPTER_NAME)
    shapes, wanted_shapes = ({k: v.shape for k, v in state.items()} for state in (part.tensors, wanted))
    if shapes != wanted_shapes:
        detach_lora(network)
        return min(name for name, _ in shapes.items() ^ wanted_shapes.items())
    set_peft_model_state_dict(network, part.tensors, adapter_name=ADAPTER_NAME)
    network.requires_grad_(False)
    return ""


@torch.no_grad()
def merge_lora(network: nn.Module) -> None:
    """Adds LoRA to the network's own weights, at its present strength, and removes it."""
    for layer in lora_layers(network):
        layer.merge(adapter_names=[ADAPTER_NAME])
    detach_lora(network)
