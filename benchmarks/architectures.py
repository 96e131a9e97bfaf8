"""The full-size networks of the models people use, with random weights: only their shapes are here."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import nn
from transformers import (CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection,
                          Dinov2Config, Dinov2Model)

CROSS_DOWN, CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
FOUR = dict(block_out_channels=(320, 640, 1280, 1280), down_block_types=(CROSS_DOWN,) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + (CROSS_UP,) * 3)
OPEN_CLIP_H = dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, hidden_act="gelu",
                   projection_dim=512)
CLIP_L = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12)
OPEN_CLIP_G = dict(hidden_size=1280, intermediate_size=5120, num_attention_heads=20, num_hidden_layers=32,
                   hidden_act="gelu", projection_dim=1280)


@dataclass(frozen=True)
class Architecture:
    """The settings of a model's networks, as their config.json gives them. scaling: of the latents;
    decoder: the autoencoder's channels."""

    label: str
    unet: dict
    text_encoder: dict
    text_encoder_2: dict | None = None
    prediction: str = "epsilon"
    scaling: float = 0.18215
    decoder: tuple[int, ...] = (128, 256, 512, 512)

    @property
    def resolution(self) -> int:
        return 8 * self.unet["sample_size"]


ARCHITECTURES = {
    "sd15": Architecture("Stable Diffusion 1.5", FOUR | dict(
        sample_size=64, cross_attention_dim=768, attention_head_dim=8), CLIP_L),
    "sd21": Architecture("Stable Diffusion 2.1", FOUR | dict(
        sample_size=96, cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True),
        OPEN_CLIP_H | dict(num_hidden_layers=23), prediction="v_prediction"),
    "sdxl": Architecture("Stable Diffusion XL", dict(
        sample_size=128, cross_attention_dim=2048, attention_head_dim=(5, 10, 20), use_linear_projection=True,
        block_out_channels=(320, 640, 1280), down_block_types=("DownBlock2D", CROSS_DOWN, CROSS_DOWN),
        up_block_types=(CROSS_UP, CROSS_UP, "UpBlock2D"), transformer_layers_per_block=(1, 2, 10),
        addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816),
        CLIP_L, OPEN_CLIP_G, scaling=0.13025),
}


def build(make: Callable[[], nn.Module], device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A frozen network in the type it is to have, its random weights drawn where it is to be: on a GPU in no time."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            network = make().eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)
    return network if device.type == "meta" else filled(network.to_empty(device=device))


@torch.no_grad()
def filled(network: nn.Module) -> nn.Module:
    """Weights that keep the size of what goes through; scales of one, biases of zero. Raises ValueError for a buffer
    that it does not know.
    """
    for name, values in network.named_parameters():
        if values.ndim > 1:
            values.normal_(std=values[0].numel() ** -0.5)
        else:
            values.fill_(0.0 if name.endswith("bias") else 1.0)
    for name, values in network.named_buffers():
        if not name.endswith("position_ids"):
            raise ValueError(f"The buffer {name} is new: say here what it holds.")
        values.copy_(torch.arange(values.numel(), device=values.device).view_as(values))
    return network


def unet(of: Architecture) -> UNet2DConditionModel:
    return UNet2DConditionModel(**of.unet)


def text_encoder(of: Architecture) -> CLIPTextModel:
    return CLIPTextModel(CLIPTextConfig(max_position_embeddings=77, **of.text_encoder))


def text_encoder_2(of: Architecture) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(CLIPTextConfig(max_position_embeddings=77, **of.text_encoder_2))


def vae(of: Architecture) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=of.decoder, layers_per_block=2, latent_channels=4, scaling_factor=of.scaling,
        sample_size=of.resolution, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4)


def scheduler(of: Architecture) -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                       steps_offset=1, prediction_type=of.prediction)


def clip_huge() -> CLIPModel:
    """CLIP ViT-H/14, which the losses use."""
    return CLIPModel(CLIPConfig(
        projection_dim=1024, text_config=OPEN_CLIP_H | dict(num_hidden_layers=24, projection_dim=1024),
        vision_config=dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16,
                           patch_size=14, image_size=224, projection_dim=1024, hidden_act="gelu"),
        attn_implementation="eager"))


def dino_base() -> Dinov2Model:
    """DINOv2 ViT-B/14."""
    return Dinov2Model(Dinov2Config(image_size=518, patch_size=14, attn_implementation="eager"))
