"""Loads a Stable Diffusion and its critics into one bundle. The registry is assets/models.yaml."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
import yaml
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from fairness_core.attributes import ASSETS
from fairness_core.critics import Critics, load_critics
from fairness_core.precision import fast_precision


class ModelError(ValueError):
    """A model that cannot be used here; the message says what to do."""


@dataclass(frozen=True)
class ModelEntry:
    """A row of the registry. `unavailable` says in plain words why it cannot be used here, or is empty."""

    name: str
    label: str
    note: str
    folder: str
    sampling_steps: int
    guidance_scale: float
    unavailable: str = ""


@dataclass(frozen=True)
class Model:
    """A pipeline's parts, frozen, and the critics that judge its images.

    precision: the autocast type of the networks' arithmetic; the scheduler and the losses stay in float32.
    """

    entry: ModelEntry
    tokenizer: object
    text_encoder: nn.Module
    unet: nn.Module
    vae: nn.Module
    scheduler: object
    critics: Critics
    device: torch.device
    precision: torch.dtype

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        size = self.unet.config.sample_size
        return self.unet.config.in_channels, size, size

    def autocast(self) -> AbstractContextManager:
        """Mixed precision for the networks; off when precision is float32."""
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)


def available_models() -> list[ModelEntry]:
    """The registry's rows, in order, each saying whether it can be used on this machine."""
    rows = yaml.safe_load((ASSETS / "models.yaml").read_text())
    return [ModelEntry(name=name, unavailable=missing_part(row["folder"]), **row) for name, row in rows.items()]


def missing_part(folder: str) -> str:
    return "" if (ASSETS / folder / "model_index.json").exists() else f"assets/{folder} is missing: check out the repository whole."


def load_model(name: str, *, device: torch.device | None = None, precision: torch.dtype | None = None) -> Model:
    """Loads a model of the registry, everything frozen and in eval mode.

    precision: the machine's fast one unless given; torch.float32 for exact comparisons.
    Raises ModelError for an unknown name or one that cannot be used here.
    """
    entries = {entry.name: entry for entry in available_models()}
    if name not in entries:
        raise ModelError(f"Unknown model {name!r}: choose among {', '.join(entries)}.")
    entry = entries[name]
    if entry.unavailable:
        raise ModelError(f"{entry.label} cannot be used here: {entry.unavailable}")
    device = device or own_device()
    folder = ASSETS / entry.folder
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, safety_checker=None, requires_safety_checker=False)
    for part in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        part.to(device).eval().requires_grad_(False)
    prepare_for_speed(pipeline.unet, pipeline.vae, device)
    return Model(entry, pipeline.tokenizer, pipeline.text_encoder, pipeline.unet, pipeline.vae, pipeline.scheduler,
                 load_critics(folder, device), device, precision or fast_precision(device))


def own_device() -> torch.device:
    """A GPU of this process's own where there are several, by the launcher's LOCAL_RANK; the CPU without one."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def prepare_for_speed(unet: nn.Module, vae: nn.Module, device: torch.device) -> None:
    """On a CPU, torch's fused attention is the slow path and channels-last the fast one (measured)."""
    for part in (unet, vae):
        part.to(memory_format=torch.channels_last)
    if device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())
