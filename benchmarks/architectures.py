"""The full-size networks of the models people use, with random weights: only their shapes are here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from diffusers import (AutoencoderKL, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler,
                       FluxTransformer2DModel, SD3Transformer2DModel, UNet2DConditionModel)
from torch import nn
from transformers import (CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection,
                          Dinov2Config, Dinov2Model)

from fairness_core.sampling.flow import flow_solver

FLOW_DECODER = dict(use_quant_conv=False, use_post_quant_conv=False)
CROSS_DOWN, CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
FOUR = dict(block_out_channels=(320, 640, 1280, 1280), down_block_types=(CROSS_DOWN,) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + (CROSS_UP,) * 3)
OPEN_CLIP_H = dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, hidden_act="gelu",
                   projection_dim=512)
CLIP_L = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=12)
OPEN_CLIP_G = dict(hidden_size=1280, intermediate_size=5120, num_attention_heads=20, num_hidden_layers=32,
                   hidden_act="gelu", projection_dim=1280)
PROJECTED_CLIP_L = CLIP_L | dict(projection_dim=768)
SD3 = dict(sample_size=128, patch_size=2, in_channels=16, out_channels=16, attention_head_dim=64, joint_attention_dim=4096,
           pooled_projection_dim=2048, qk_norm="rms_norm")
SD35_LARGE = SD3 | dict(num_layers=38, num_attention_heads=38, caption_projection_dim=2432, pos_embed_max_size=192)
FLUX_SIDE = 128  # of latents; its config does not name it


@dataclass(frozen=True)
class Architecture:
    """The settings of a model's networks, as their config.json gives them. unet: or, of a model trained by flow matching, its
    transformer, and flow its solver's; of these T5 is left out: it reads each prompt once, and waits on the CPU. scaling:
    of the latents; decoder: the autoencoder's channels."""

    label: str
    unet: dict
    text_encoder: dict
    text_encoder_2: dict | None = None
    prediction: str = "epsilon"
    scaling: float = 0.18215
    decoder: tuple[int, ...] = (128, 256, 512, 512)
    flow: dict | None = None

    @property
    def is_flux(self) -> bool:
        return "guidance_embeds" in self.unet

    @property
    def side(self) -> int:
        """Height and width of the latents."""
        return FLUX_SIDE if self.is_flux else self.unet["sample_size"]

    @property
    def resolution(self) -> int:
        return 8 * self.side

    @property
    def latent_channels(self) -> int:
        return 4 if self.flow is None else 16


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
    "sd35-medium": Architecture("Stable Diffusion 3.5 Medium", SD3 | dict(
        num_layers=24, num_attention_heads=24, caption_projection_dim=1536, pos_embed_max_size=384,
        dual_attention_layers=tuple(range(13))), PROJECTED_CLIP_L, OPEN_CLIP_G, scaling=1.5305, flow={"shift": 3.0}),
    "sd35-large": Architecture("Stable Diffusion 3.5 Large", SD35_LARGE, PROJECTED_CLIP_L, OPEN_CLIP_G, scaling=1.5305,
                               flow={"shift": 3.0}),
    "flux-dev": Architecture("FLUX.1 [dev]", dict(guidance_embeds=True), CLIP_L, scaling=0.3611,
                             flow={"use_dynamic_shifting": True, "shift": 3.0}),
    "flux-schnell": Architecture("FLUX.1 [schnell]", dict(guidance_embeds=False), CLIP_L, scaling=0.3611,
                                 flow={"shift": 1.0}),
}
ARCHITECTURES["sd35-turbo"] = replace(ARCHITECTURES["sd35-large"], label="Stable Diffusion 3.5 Large Turbo")


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
        if name.endswith("position_ids"):
            values.copy_(torch.arange(values.numel(), device=values.device).view_as(values))
        elif name.endswith("pos_embed"):  # sines and cosines of the places
            values.uniform_(-1, 1)
        else:
            raise ValueError(f"The buffer {name} is new: say here what it holds.")
    return network


def unet(of: Architecture) -> nn.Module:
    """What paints, a U-Net or a transformer."""
    kind = UNet2DConditionModel if of.flow is None else FluxTransformer2DModel if of.is_flux else SD3Transformer2DModel
    return kind(**of.unet)


def text_encoder(of: Architecture) -> nn.Module:
    kind = CLIPTextModelWithProjection if of.flow and not of.is_flux else CLIPTextModel
    return kind(CLIPTextConfig(max_position_embeddings=77, **of.text_encoder))


def text_encoder_2(of: Architecture) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(CLIPTextConfig(max_position_embeddings=77, **of.text_encoder_2))


def vae(of: Architecture) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=of.decoder, layers_per_block=2, latent_channels=of.latent_channels, scaling_factor=of.scaling,
        sample_size=of.resolution, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, **({} if of.flow is None else FLOW_DECODER))


def scheduler(of: Architecture) -> DPMSolverMultistepScheduler | FlowMatchEulerDiscreteScheduler:
    if of.flow is not None:
        return flow_solver(FlowMatchEulerDiscreteScheduler(**of.flow), (of.side // 2) ** 2, of.is_flux)
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
