"""Loads a model and its critics into one bundle. The registry is assets/models.yaml."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import nn

from fairness_core.critics import Critics, load_critics
from fairness_core.denoisers.kinds import denoiser_in, denoiser_of
from fairness_core.denoisers.protocol import Denoiser
from fairness_core.denoisers.t5 import T5
from fairness_core.hardware.group_norm import quicken_group_norms
from fairness_core.hardware.memory import (Memory, changed_memory, choose_memory, free_gigabytes, keep_on_cpu,
                                           memory_words, save_memory)
from fairness_core.hardware.needs import kept_here, needs_of
from fairness_core.hardware.precision import fast_precision
from fairness_core.models.files import ModelError, checked_folder, left_out, variant_of
from fairness_core.models.registry import ModelEntry, available_models, entry_for
from fairness_core.sampling.coefficients import NonLinearSchedulerError, scheduler_coefficients

__all__ = ["Model", "ModelEntry", "ModelError", "available_models", "entry_for", "load_entry", "load_model"]


@dataclass(frozen=True)
class Model:
    """A pipeline's parts, frozen, and the critics that judge its images.

    network: what paints, a U-Net or a transformer. precision: the autocast type of the networks' arithmetic; the scheduler
    and the losses stay in float32. text_encoder_2, tokenizer_2: the second CLIP of SDXL and SD 3; SDXL's unconditional
    embeddings are zeros when force_zeros_for_empty_prompt, else those of the empty prompt. memory: how many images go
    together; memory_told: that in words, "" on a CPU. t5: what reads beside the CLIPs, frozen, or None.
    """

    entry: ModelEntry
    tokenizer: object
    text_encoder: nn.Module
    network: nn.Module
    vae: nn.Module
    scheduler: object
    critics: Critics
    device: torch.device
    precision: torch.dtype
    tokenizer_2: object = None
    text_encoder_2: nn.Module | None = None
    force_zeros_for_empty_prompt: bool = True
    memory: Memory = Memory()
    memory_told: str = ""
    t5: T5 | None = None

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        return self.denoiser.latent_shape(self.entry.resolution // pixels_of_latent(self.vae))

    @property
    def image_size(self) -> int:
        """Height and width of the images, in pixels."""
        return self.latent_shape[-1] * pixels_of_latent(self.vae)

    @cached_property
    def denoiser(self) -> Denoiser:
        return denoiser_of(self.network)

    @cached_property
    def graph_gb(self) -> float:
        """What one image's guided prediction keeps for its backward pass here, GB."""
        rows, on = self.denoiser.passes, {"device": self.device}
        with self.autocast():
            return kept_here(lambda: self.denoiser.predict(torch.zeros(rows, *self.latent_shape, **on), torch.zeros((), **on),
                                                           self.denoiser.blank(rows, **on)), self.network)

    @property
    def unet(self) -> nn.Module | None:
        """The network where it is a U-Net; by this name adapters know it, as they do a diffusers pipeline's."""
        return self.network if self.denoiser.tower == "unet" else None

    @property
    def transformer(self) -> nn.Module | None:
        """The same where it is a transformer."""
        return self.network if self.denoiser.tower == "transformer" else None

    def autocast(self) -> AbstractContextManager:
        """Mixed precision for the networks; off when precision is float32."""
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)


def pixels_of_latent(vae: nn.Module) -> int:
    """How many pixels wide and high one place of the latents is."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def load_model(name: str, *, device: torch.device | None = None, precision: torch.dtype | None = None,
               memory: Memory | None = None, memory_changes: Sequence[str] = (),
               critics: Critics | None = None) -> Model:
    """Loads a model, everything frozen and in eval mode, without asking any network.

    name: of the registry, or the folder or hub id of any diffusers Stable Diffusion or FLUX (see `entry_for`).
    precision: the machine's fast one unless given; torch.float32 for exact comparisons. memory: what suits the free GPU
    memory unless given, the plain way on a CPU; memory_changes: on top of it, such as "images_at_once=2". critics: those
    of the model's own folder or of FAIRNESS_CRITICS unless given.
    Raises ModelError in plain words for a model that is unknown, not downloaded, damaged, of another kind, too large
    for this machine, or whose scheduler no gradient can be adjusted for.
    """
    entry = entry_for(name)
    if entry.unavailable:
        raise ModelError(f"{entry.label} cannot be used here: {entry.unavailable}")
    return load_entry(entry, device=device, precision=precision, memory=memory, memory_changes=memory_changes,
                      critics=critics)


def load_entry(entry: ModelEntry, *, device: torch.device | None = None, precision: torch.dtype | None = None,
               memory: Memory | None = None, memory_changes: Sequence[str] = (),
               critics: Critics | None = None) -> Model:
    """The same for a row that need not be in the registry: its folder is below assets/, or anywhere if absolute."""
    changed_memory(Memory(), memory_changes)  # a wrong one is refused before anything is read
    device = device or own_device()
    precision, free_gb = precision or fast_precision(device), free_gigabytes(device)
    folder = entry.path
    if folder is None:
        size = f" ({entry.download_gb:g} GB)" if entry.download_gb else ""
        licence = entry.licence.name or "its licence"
        raise ModelError(f"{entry.label} is not on this machine: download it first{size}, under the terms of {licence}: "
                         f"python -m fairness_core models --download {entry.name}")
    pipeline = read_pipeline(checked_folder(folder), entry, precision)
    denoiser, vae = denoiser_in(pipeline), pipeline.vae
    denoiser.check(entry.label, vae.config.latent_channels)
    side = denoiser.latent_shape(entry.resolution // pixels_of_latent(vae))[-1]
    scheduler = solver(entry, pipeline.scheduler, denoiser, side)
    critics = critics or load_critics(critics_folder(entry), device)
    encoders = [getattr(pipeline, name) for name in denoiser.encoders]
    if memory is None and free_gb:
        memory = choose_memory(free_gb, needs_of(denoiser.network, vae, encoders, networks_of(critics), side, precision))
    memory = changed_memory(memory or Memory(), memory_changes)
    if memory.critics_on_cpu:
        for network in networks_of(critics):
            keep_on_cpu(network, device)
    for part in (*encoders, denoiser.network, vae):
        part.to(device).eval().requires_grad_(False)
    tokenizers = [getattr(pipeline, name.replace("text_encoder", "tokenizer")) for name in denoiser.encoders]
    for tokenizer, encoder in zip(tokenizers, encoders):
        limit_prompts(tokenizer, encoder)
    prepare_for_speed(denoiser.network, vae, device)
    round_once(denoiser.network, precision)
    save_memory(denoiser.network, vae, memory)
    second = [parts[1] if len(parts) > 1 else None for parts in (tokenizers, encoders)]
    return Model(entry, tokenizers[0], encoders[0], denoiser.network, vae, scheduler, critics, device, precision, *second,
                 pipeline.config.get("force_zeros_for_empty_prompt", False), memory,
                 memory_words(memory, free_gb) if free_gb else "", t5_of(pipeline, denoiser, device))


def t5_of(pipeline: diffusers.DiffusionPipeline, denoiser: Denoiser, device: torch.device) -> T5 | None:
    """The pipeline's T5, frozen. It reads every prompt once, so on a GPU it waits in the computer's memory meanwhile."""
    if denoiser.t5 is None or getattr(pipeline, denoiser.t5[0]) is None:
        return None
    encoder, tokenizer = (getattr(pipeline, name) for name in denoiser.t5)
    encoder.eval().requires_grad_(False)
    if device.type == "cuda":
        keep_on_cpu(encoder, device)
    return T5(encoder, tokenizer, denoiser.t5_tokens)


def round_once(network: nn.Module, precision: torch.dtype) -> None:
    """Keeps the weights as autocast would round them at every call; the normalisations', which it leaves, stay."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.to(precision)


def read_pipeline(folder: Path, entry: ModelEntry, precision: torch.dtype) -> diffusers.DiffusionPipeline:
    """The folder's pipeline, from safetensors only. Weights are kept in half precision where the arithmetic is, and the
    model's files are; the decoder's never are: SDXL's overflows.
    """
    is_half = torch.float32 not in (precision, getattr(torch, entry.dtype))
    try:
        return diffusers.DiffusionPipeline.from_pretrained(
            folder, dtype={"default": precision if is_half else torch.float32, "vae": torch.float32},
            variant=variant_of(folder), use_safetensors=True, local_files_only=True, **left_out(folder))
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{entry.label} cannot be read from {folder}: {error}") from None


def solver(entry: ModelEntry, own: object, denoiser: Denoiser, side: int) -> object:
    """The entry's solver, or the model's own; DPM-Solver++ for PNDM, which calls the U-Net more often than it steps.

    All of them solve the same equation. side: of the latents. Raises ModelError for one whose gradient cannot be
    adjusted: it adds noise.
    """
    name = entry.scheduler or ("DPMSolverMultistepScheduler" if isinstance(own, diffusers.PNDMScheduler) else "")
    scheduler = denoiser.solver(getattr(diffusers, name).from_config(own.config) if name else own, side)
    try:
        scheduler_coefficients(scheduler, entry.sampling_steps)
    except NonLinearSchedulerError as error:
        raise ModelError(f"{entry.label} cannot be finetuned here: {error}") from None
    return scheduler


def critics_folder(entry: ModelEntry) -> Path:
    """Where the critics are: beside the model, or for photographs in the folder that FAIRNESS_CRITICS names.

    Raises ModelError when there are none.
    """
    own, named = entry.path, os.environ.get("FAIRNESS_CRITICS")
    if (own / "critics.yaml").exists() or (own / "classifier" / "config.json").exists():
        return own
    if not named:
        raise ModelError(f"{entry.label} needs critics for photographs: copy assets/critics.yaml into a folder, follow "
                         "its instructions, and name the folder in the environment variable FAIRNESS_CRITICS.")
    return Path(named)


def networks_of(critics: Critics) -> list[nn.Module]:
    """Every network of the critics once; not the face detector, which is small, nor what only measures and waits."""
    parts = (critics.classifier, critics.evaluator, critics.face_embedder, *critics.encoders.values())
    return list({id(part): part for part in parts if isinstance(part, nn.Module)}.values())


def own_device() -> torch.device:
    """A GPU of this process's own where there are several, by the launcher's LOCAL_RANK; the CPU without one."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def limit_prompts(tokenizer: Any, text_encoder: nn.Module) -> None:
    """No prompt is longer than the text encoder has places, whether the tokenizer's files know that or not."""
    tokenizer.model_max_length = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)


def prepare_for_speed(network: nn.Module, vae: nn.Module, device: torch.device) -> None:
    """On a CPU, channels-last is the fast way for convolutions, and torch's group normalisation a slow one (measured)."""
    vae.to(memory_format=torch.channels_last)
    denoiser_of(network).prepare(device)
    if device.type == "cpu":
        quicken_group_norms(network)
        quicken_group_norms(vae)
