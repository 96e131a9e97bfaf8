"""Which kind of denoiser a network is: told by its class and what its config says it is told."""

from typing import Any

from torch import nn

from fairness_core.denoisers.flux import Flux
from fairness_core.denoisers.protocol import Denoiser
from fairness_core.denoisers.sd3 import Sd3
from fairness_core.denoisers.sdxl import Sdxl
from fairness_core.denoisers.unet import TEXT_TIME, UNet

TRANSFORMERS = {"SD3Transformer2DModel": Sd3, "FluxTransformer2DModel": Flux}  # by diffusers' class
TOWERS = ("unet", "transformer")  # what a pipeline calls its denoiser


def denoiser_of(network: Denoiser | nn.Module) -> Denoiser:
    """A network of diffusers' as a denoiser; a denoiser as it is. What is no known transformer is called as a U-Net."""
    if hasattr(network, "predict"):
        return network
    for kind in type(network).__mro__:
        if kind.__name__ in TRANSFORMERS:
            return TRANSFORMERS[kind.__name__](network)
    told = getattr(getattr(network, "config", None), "addition_embed_type", None)
    return Sdxl(network) if told == TEXT_TIME else UNet(network)


def denoiser_in(model: Any) -> Denoiser:
    """That of a fairness_core Model or a diffusers pipeline; of a text encoder that stands alone, Stable Diffusion's."""
    found = (getattr(model, tower, None) for tower in TOWERS)
    network = next((network for network in found if network is not None), None)
    return UNet(None) if network is None else denoiser_of(network)
