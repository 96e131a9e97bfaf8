"""Loads a Stable Diffusion and its critics into one bundle. The registry is assets/models.yaml."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from fairness_core.critics import Critics, load_critics
from fairness_core.hardware.memory import (Memory, changed_memory, choose_memory, free_gigabytes, keep_on_cpu,
                                           memory_words, save_memory)
from fairness_core.hardware.needs import needs_of
from fairness_core.hardware.precision import fast_precision
from fairness_core.models.files import ModelError, checked_folder, left_out, variant_of
from fairness_core.models.registry import ModelEntry, available_models, entry_for
from fairness_core.sampling.gradients import NonLinearSchedulerError, scheduler_coefficients
from fairness_core.sampling.sdxl import TEXT_TIME

__all__ = ["Model", "ModelEntry", "ModelError", "available_models", "entry_for", "load_entry", "load_model"]

SD_LATENTS, SDXL_LATENTS = 64, 128  # of the pictures that the published models were trained on


@dataclass(frozen=True)
class Model:
    """A pipeline's parts, frozen, and the critics that judge its images.

    precision: the autocast type of the networks' arithmetic; the scheduler and the losses stay in float32.
    text_encoder_2, tokenizer_2: SDXL's second ones; its unconditional embeddings are zeros when
    force_zeros_for_empty_prompt, else those of the empty prompt. memory: how many images go together;
    memory_told: that in words, "" on a CPU.
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
    tokenizer_2: object = None
    text_encoder_2: nn.Module | None = None
    force_zeros_for_empty_prompt: bool = True
    memory: Memory = Memory()
    memory_told: str = ""

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        size = latent_size(self.unet)
        return self.unet.config.in_channels, size, size

    @property
    def image_size(self) -> int:
        """Height and width of the images, in pixels."""
        return latent_size(self.unet) * 2 ** (len(self.vae.config.block_out_channels) - 1)

    def autocast(self) -> AbstractContextManager:
        """Mixed precision for the networks; off when precision is float32."""
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)


def latent_size(unet: nn.Module) -> int:
    """Height and width of the latents: what the U-Net's config names, be it one number or a list of two (the smaller,
    for pictures are square here); where it names none, those of SDXL or of Stable Diffusion 1.x.
    """
    size = unet.config.sample_size
    if size is None:
        return SDXL_LATENTS if getattr(unet.config, "addition_embed_type", None) == TEXT_TIME else SD_LATENTS
    return size if isinstance(size, int) else min(size)


def load_model(name: str, *, device: torch.device | None = None, precision: torch.dtype | None = None,
               memory: Memory | None = None, memory_changes: Sequence[str] = (),
               critics: Critics | None = None) -> Model:
    """Loads a Stable Diffusion, everything frozen and in eval mode, without asking any network.

    name: of the registry, or the folder or hub id of any diffusers Stable Diffusion (see `entry_for`).
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
    check_unet(entry.label, pipeline.unet, pipeline.vae)
    scheduler = solver(entry, pipeline.scheduler)
    critics = critics or load_critics(critics_folder(entry), device)
    encoders = [pipeline.text_encoder, getattr(pipeline, "text_encoder_2", None)]
    if memory is None and free_gb:
        memory = choose_memory(free_gb, needs_of(pipeline.unet, pipeline.vae, filter(None, encoders),
                                                 networks_of(critics), latent_size(pipeline.unet), precision))
    memory = changed_memory(memory or Memory(), memory_changes)
    if memory.critics_on_cpu:
        for network in networks_of(critics):
            keep_on_cpu(network, device)
    for part in (*encoders, pipeline.unet, pipeline.vae):
        if part is not None:
            part.to(device).eval().requires_grad_(False)
    limit_prompts(pipeline.tokenizer, encoders[0])
    if encoders[1] is not None:
        limit_prompts(pipeline.tokenizer_2, encoders[1])
    prepare_for_speed(pipeline.unet, pipeline.vae, device)
    round_once(pipeline.unet, precision)
    save_memory(pipeline.unet, pipeline.vae, memory)
    return Model(entry, pipeline.tokenizer, pipeline.text_encoder, pipeline.unet, pipeline.vae, scheduler, critics,
                 device, precision, getattr(pipeline, "tokenizer_2", None), encoders[1],
                 pipeline.config.get("force_zeros_for_empty_prompt", False), memory,
                 memory_words(memory, free_gb) if free_gb else "")


def round_once(unet: nn.Module, precision: torch.dtype) -> None:
    """Keeps the weights as autocast would round them at every call; the normalisations', which it leaves, stay."""
    for layer in unet.modules():
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


def check_unet(label: str, unet: nn.Module, vae: nn.Module) -> None:
    """Raises ModelError for a U-Net that wants to be told more than a prompt."""
    config = unet.config
    if config.time_cond_proj_dim is not None:
        raise ModelError(f"{label} was distilled with the guidance scale as an input of its U-Net (a latent "
                         "consistency model): use the model it was distilled from, or one distilled without, such as sd-turbo.")
    if config.in_channels != vae.config.latent_channels:
        raise ModelError(f"{label} paints over pictures ({config.in_channels} channels in): use its text-to-image "
                         "model.")
    if config.class_embed_type or config.addition_embed_type not in (None, TEXT_TIME):
        raise ModelError(f"{label} wants other conditions than a prompt: use Stable Diffusion 1.x, 2.x or SDXL.")


def solver(entry: ModelEntry, own: object) -> object:
    """The entry's solver, or the model's own; DPM-Solver++ for PNDM, which calls the U-Net more often than it steps.

    All of them solve the same equation. Raises ModelError for one whose gradient cannot be adjusted: it adds noise.
    """
    name = entry.scheduler or ("DPMSolverMultistepScheduler" if isinstance(own, diffusers.PNDMScheduler) else "")
    scheduler = getattr(diffusers, name).from_config(own.config) if name else own
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


def prepare_for_speed(unet: nn.Module, vae: nn.Module, device: torch.device) -> None:
    """On a CPU, torch's fused attention is the slow path and channels-last the fast one (measured)."""
    for part in (unet, vae):
        part.to(memory_format=torch.channels_last)
    if device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())
