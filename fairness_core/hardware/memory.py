"""GPU memory: what this machine has, what a model needs, and what can be done where it is short."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from fairness_core.settings.validation import ConfigError, Switch, Whole, parse_yaml, settings

GIGABYTE = 1e9
RESERVE = 1.2  # of what is computed: CUDA's own part, the networks' outputs in float32, and gaps between blocks
CHECKPOINTED = 0.3  # at most this share of a graph is held at once with gradient checkpointing
ALL_AT_ONCE = 28  # (step, image) pairs of a backward pass that nothing limits
LITTLE = 0.25  # of the free memory: a model that takes no more is limited in nothing


@settings
class Memory:
    """What to do where GPU memory is short. Only vae_tiling changes the pictures (faint seams); all cost time.

    images_at_once: how many images go through the U-Net together (0: as many as is fastest).
    gradient_checkpointing: the U-Net and the decoder compute again in the backward pass what they did not keep, and
    the decoder sees one image at a time. attention_slicing, vae_tiling: as in diffusers.
    critics_on_cpu: the networks that judge images wait in the computer's memory while they are not asked.
    """

    images_at_once: Annotated[Whole, Field(ge=0, le=10_000, description="0: as many as is fastest")] = 0
    gradient_checkpointing: Switch = False
    attention_slicing: Switch = False
    vae_tiling: Switch = False
    critics_on_cpu: Switch = False


@dataclass(frozen=True)
class Needs:
    """GB of GPU memory, computed (see hardware/needs.py). unet: what one image's guided prediction keeps for its backward
    pass; decoder: what one image's keeps; critics: their weights; judging: what two images keep in them.
    """

    weights: float
    critics: float
    unet: float
    decoder: float
    judging: float

    @property
    def compare(self) -> float:
        """The largest maps of a decoder of one image are about a fifth of what it keeps for a backward pass."""
        return RESERVE * (self.weights + self.critics + self.decoder / 5)

    def finetune(self, memory: Memory) -> float:
        """The U-Net's backward pass comes after the decoder's. Critics that wait on the CPU are here while they judge."""
        share = CHECKPOINTED if memory.gradient_checkpointing else 1.0
        waiting = 0.0 if memory.critics_on_cpu else self.critics
        return RESERVE * (self.weights + max(waiting + (memory.images_at_once or ALL_AT_ONCE) * share * self.unet,
                                             self.critics + share * self.decoder + self.judging))


CHOICES = (*(Memory(n) for n in (16, 8, 4)), *(Memory(n, gradient_checkpointing=True) for n in (4, 2, 1)),
           Memory(1, gradient_checkpointing=True, critics_on_cpu=True))  # fastest first; the last takes the least


def choose_memory(free_gb: float, needs: Needs) -> Memory:
    """The fastest way to finetune in `free_gb` of GPU memory; the one that takes the least where none fits."""
    if needs.finetune(Memory()) <= LITTLE * free_gb:
        return Memory()
    return next((memory for memory in CHOICES if needs.finetune(memory) <= free_gb), CHOICES[-1])


def memory_words(memory: Memory, free_gb: float) -> str:
    """One sentence on how GPU memory is used, for a log."""
    images = f"at most {memory.images_at_once}" if memory.images_at_once else "as many as is fastest"
    ways = {"gradient_checkpointing": "with gradient checkpointing", "attention_slicing": "attention by slices",
            "vae_tiling": "the decoder by tiles", "critics_on_cpu": "critics wait on the CPU"}
    used = [words for name, words in ways.items() if getattr(memory, name)] or ["without gradient checkpointing"]
    return f"GPU memory: {free_gb:.0f} GB free; images at once: {images}; {', '.join(used)}."


def changed_memory(memory: Memory, changes: Sequence[str]) -> Memory:
    """The options with changes such as "images_at_once=2" or "vae_tiling=true". Raises ConfigError for any other."""
    known = {f.name for f in fields(Memory)}
    pairs = [change.partition("=") for change in changes]
    if wrong := [name for name, equals, _ in pairs if name not in known or not equals]:
        raise ConfigError(f"{wrong[0]!r} is no memory option: write NAME=VALUE with one of {', '.join(sorted(known))}.")
    return replace(memory, **{name: parse_yaml(value, f"The value of {name} cannot be read")
                              for name, _, value in pairs})


def gpu_gigabytes() -> float:
    """The memory of the largest GPU here, in GB; 0 without one."""
    if not torch.cuda.is_available():
        return 0.0
    return max(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count())) / GIGABYTE


def free_gigabytes(device: torch.device) -> float:
    """What is free of that GPU's memory now, in GB; 0 on a CPU."""
    return torch.cuda.mem_get_info(device)[0] / GIGABYTE if device.type == "cuda" else 0.0


def too_little(needed_gb: float, here_gb: float) -> str:
    """In plain words, why `needed_gb` of GPU memory are not here; empty when they are, or when none are needed."""
    if needed_gb <= here_gb:
        return ""
    has = f"this machine's GPU has {here_gb:.0f} GB" if here_gb else "this machine has none"
    return f"this model needs {needed_gb:g} GB of GPU memory; {has}: use the built-in model."


def save_memory(network: nn.Module, vae: nn.Module, memory: Memory) -> None:
    """Sets the networks' own switches. Raises ConfigError for one that a transformer has not."""
    if memory.attention_slicing and not hasattr(network, "set_attention_slice"):
        raise ConfigError("attention_slicing is for U-Nets, and this model paints by a transformer: leave it out, and use "
                          "images_at_once=1 and gradient_checkpointing=true.")
    if memory.attention_slicing:
        network.set_attention_slice("auto")
    if memory.vae_tiling:
        vae.enable_tiling()
    if memory.images_at_once:
        vae.enable_slicing()  # the decoder's maps are far larger than the U-Net's: one image at a time
    if memory.gradient_checkpointing:
        network.enable_gradient_checkpointing()
        vae.enable_gradient_checkpointing()


def keep_on_cpu(network: nn.Module, device: torch.device) -> None:
    """The weights of a frozen network wait in the computer's memory; each layer's come to `device` while it computes.

    A graph keeps the copies that its backward pass needs. Single numbers stay, and tell where the network computes.
    """
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module
    network.to(device)
    for layer in network.modules():
        weights = dict(layer.named_parameters(recurse=False))
        if sum(weight.numel() for weight in weights.values()) > 1:
            waiting = {name: weight.data.cpu() for name, weight in weights.items()}
            add_hook_to_module(layer, AlignDevicesHook(device, offload=True, weights_map=waiting))


def advice(label: str) -> str:
    """What to do when the GPU's memory did not suffice."""
    return (f"{label} needs more GPU memory than is free here: load it with images_at_once=1, "
            "gradient_checkpointing=true and critics_on_cpu=true, or use fewer images_per_prompt.")
