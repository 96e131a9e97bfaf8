"""Small random Stable Diffusions, built of the real classes with the settings of the real ones but for their width."""

from pathlib import Path

import torch
from diffusers import (AutoencoderKL, DDIMScheduler, DiffusionPipeline, EulerDiscreteScheduler, PNDMScheduler,
                       StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel)
from helpers.fakes import TOKENS, tiny_critics, tiny_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from fairness_core.models.loading import Model, load_model
from fairness_core.settings.config import FinetuneConfig

WIDTH, WIDTH_2, SIZE = 16, 24, 8
NOISE = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
             steps_offset=1)
SCHEDULERS = {
    "sd15": PNDMScheduler(**NOISE, skip_prk_steps=True, set_alpha_to_one=False),
    "sd21": DDIMScheduler(**NOISE, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False),
    "sdxl": EulerDiscreteScheduler(**NOISE, timestep_spacing="leading"),
    "sample": DDIMScheduler(**NOISE, prediction_type="sample", clip_sample=False),
    "turbo": EulerDiscreteScheduler(**NOISE, timestep_spacing="trailing"),
}
KINDS = tuple(SCHEDULERS)
PROMPT, NUMBERS, STEPS, GUIDANCE = "a nurse", range(2), 3, 3.0
CONFIG = FinetuneConfig(
    prompts=(PROMPT,), marginals={"gender": {"female": 0.5, "male": 0.5}}, steps=1, images_per_prompt=4,
    sampling_steps=3, timesteps_per_update=2, lora_rank=2, guidance_scale=GUIDANCE, film_strip_every=100, learning_rate=0.01)


def text_encoder(width: int, layers: int, act: str, kind: type = CLIPTextModel) -> CLIPTextModel:
    vocabulary = len(tiny_tokenizer())
    return kind(CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers,
        num_attention_heads=2, max_position_embeddings=TOKENS, projection_dim=width, hidden_act=act,
        bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1))


def unet(kind: str, **settings: object) -> UNet2DConditionModel:
    """sd15: convolutions around the attention, one head size; the others: linear layers, as many heads as fit."""
    own = {} if kind == "sd15" else {"use_linear_projection": True}
    if kind == "sdxl":
        own |= dict(addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 2),
                    projection_class_embeddings_input_dim=WIDTH_2 + 6 * 8)
    return UNet2DConditionModel(**(dict(
        sample_size=SIZE, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        norm_num_groups=4, attention_head_dim=2 if kind == "sd15" else (1, 2), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH + WIDTH_2 if kind == "sdxl" else WIDTH) | own | settings))


def vae(kind: str) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=2 * SIZE,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        scaling_factor=0.13025 if kind == "sdxl" else 0.18215, force_upcast=kind == "sdxl")


def small_pipeline(kind: str, scheduler: object = None, **unet_settings: object) -> DiffusionPipeline:
    """kind: see KINDS. Deterministic."""
    torch.manual_seed(0)
    parts = dict(vae=vae(kind), unet=unet(kind, **unet_settings), scheduler=scheduler or SCHEDULERS[kind],
                 tokenizer=tiny_tokenizer())
    if kind == "sdxl":
        second = text_encoder(WIDTH_2, 3, "gelu", CLIPTextModelWithProjection)
        pipeline = StableDiffusionXLPipeline(
            **parts, text_encoder=text_encoder(WIDTH, 2, "quick_gelu"), text_encoder_2=second,
            tokenizer_2=tiny_tokenizer())
    else:
        encoder = text_encoder(WIDTH, 2, "quick_gelu") if kind == "sd15" else text_encoder(WIDTH, 3, "gelu")
        pipeline = StableDiffusionPipeline(**parts, text_encoder=encoder, safety_checker=None, feature_extractor=None,
                                           requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def saved(kind: str, folder: Path, **options: object) -> Path:
    small_pipeline(kind, **options).save_pretrained(folder)
    return folder


def loaded(folder: Path, **options: object) -> Model:
    """As a user would load a folder, but with small critics."""
    options = dict(device=torch.device("cpu"), precision=torch.float32, critics=tiny_critics()) | options
    return load_model(str(folder), **options)
