"""Small random models trained by flow matching, built of the real classes with the settings of the real ones but for width."""

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (AutoencoderKL, DiffusionPipeline, FlowMatchEulerDiscreteScheduler, FluxPipeline,
                       FluxTransformer2DModel, SD3Transformer2DModel, StableDiffusion3Pipeline)
from helpers.fakes import tiny_critics, tiny_tokenizer
from helpers.small_pipelines import NUMBERS, PROMPT, STEPS, text_encoder
from transformers import CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5Tokenizer

from fairness_core.denoisers.flux import packed
from fairness_core.models.loading import Model, load_entry
from fairness_core.models.registry import entry_for
from fairness_core.sampling.denoise import draw_noise

WIDTH, WIDTH_2, T5_WIDTH, SIDE = 16, 24, 48, 8
PIXELS = 2 * SIDE


@dataclass(frozen=True)
class Small:
    """is_flux: else Stable Diffusion 3; has_t5: SD 3 can do without; network, solver: settings of their own."""

    is_flux: bool
    network: dict[str, Any] = field(default_factory=dict)
    solver: dict[str, Any] = field(default_factory=dict)
    has_t5: bool = True


SMALL = {
    "sd3": Small(False, solver={"shift": 3.0}),
    "sd35": Small(False, {"dual_attention_layers": (0,), "qk_norm": "rms_norm"}, {"shift": 3.0}),
    "sd3 without t5": Small(False, solver={"use_dynamic_shifting": True}, has_t5=False),
    "flux-dev": Small(True, {"guidance_embeds": True}, {"use_dynamic_shifting": True, "shift": 3.0}),
    "flux-schnell": Small(True, {"guidance_embeds": False}, {"shift": 1.0}),
}
KINDS = tuple(SMALL)


@cache
def t5_tokenizer() -> T5Tokenizer:
    """One token a letter."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return T5Tokenizer(vocab=special + [(chr(i), -3.0) for i in range(33, 127)], extra_ids=0, model_max_length=512)


def t5_encoder() -> T5EncoderModel:
    return T5EncoderModel(T5Config(
        vocab_size=len(t5_tokenizer()), d_model=T5_WIDTH, d_kv=8, d_ff=2 * T5_WIDTH, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu"))


def transformer(small: Small) -> SD3Transformer2DModel | FluxTransformer2DModel:
    if small.is_flux:
        return FluxTransformer2DModel(**dict(
            in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=T5_WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=(4, 4, 8)) | small.network)
    return SD3Transformer2DModel(**dict(
        sample_size=SIDE, in_channels=16, out_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=T5_WIDTH, caption_projection_dim=32, pooled_projection_dim=WIDTH + WIDTH_2,
        pos_embed_max_size=16) | small.network)


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=16, sample_size=PIXELS,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, scaling_factor=1.5305,
        shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False)


def flow_pipeline(kind: str, scheduler: object = None, **network: object) -> DiffusionPipeline:
    """kind: see SMALL. Deterministic; the answers of the zero-initialised last layers are random as well."""
    torch.manual_seed(0)
    small = replace(SMALL[kind], network=SMALL[kind].network | network)
    parts = dict(vae=vae(), transformer=transformer(small), tokenizer=tiny_tokenizer(),
                 scheduler=scheduler or FlowMatchEulerDiscreteScheduler(**small.solver))
    t5 = (t5_encoder(), t5_tokenizer()) if small.has_t5 else (None, None)
    if small.is_flux:
        pipeline = FluxPipeline(**parts, text_encoder=text_encoder(WIDTH, 2, "quick_gelu"), text_encoder_2=t5[0],
                                tokenizer_2=t5[1])
    else:
        first, second = (text_encoder(width, layers, act, CLIPTextModelWithProjection)
                         for width, layers, act in ((WIDTH, 2, "quick_gelu"), (WIDTH_2, 3, "gelu")))
        pipeline = StableDiffusion3Pipeline(**parts, text_encoder=first, text_encoder_2=second, tokenizer_2=tiny_tokenizer(),
                                            text_encoder_3=t5[0], tokenizer_3=t5[1])
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def saved_flow(kind: str, folder: Path, **options: object) -> Path:
    flow_pipeline(kind, **options).save_pretrained(folder)
    return folder


def loaded_flow(folder: Path, dtype: str = "", **options: object) -> Model:
    """As a user would load a folder, but with small critics and pictures. dtype: of its files, where another is said."""
    options = dict(device=torch.device("cpu"), precision=torch.float32, critics=tiny_critics()) | options
    entry = entry_for(str(folder))
    return load_entry(replace(entry, resolution=PIXELS, dtype=dtype or entry.dtype), **options)


def stock(folder: Path) -> DiffusionPipeline:
    """As people load it; a pipeline saved without T5 says so again."""
    left_out = {} if (folder / "text_encoder_3").exists() or "flux" in folder.name else {"text_encoder_3": None,
                                                                                       "tokenizer_3": None}
    return DiffusionPipeline.from_pretrained(folder, **left_out)


def stock_pictures(pipeline: DiffusionPipeline, guidance: float, prompt: str = PROMPT, **options: object) -> np.ndarray:
    """The same pictures by diffusers' own pipeline, with its own solver."""
    pipeline.set_progress_bar_config(disable=True)
    noise = draw_noise(PROMPT, NUMBERS, 0, (16, SIDE, SIDE))
    latents = packed(noise) if isinstance(pipeline, FluxPipeline) else noise
    images = pipeline([prompt] * len(noise), latents=latents, num_inference_steps=STEPS, guidance_scale=guidance,
                      height=PIXELS, width=PIXELS, output_type="np", **options).images
    return (images * 255).round().astype(np.uint8)
