"""What a model takes of a GPU's memory, computed from its networks' shapes: everything on the meta device, no numbers."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fairness_core.denoisers.kinds import denoiser_of
from fairness_core.hardware.memory import GIGABYTE, Needs

# What the graph of two images keeps in the critics over their weights: of CLIP ViT-H/14 and DINOv2 ViT-B/14, float32.
JUDGING = 0.3


def needs_of(network: nn.Module, vae: nn.Module, encoders: Iterable[nn.Module], critics: Iterable[nn.Module], side: int,
             precision: torch.dtype) -> Needs:
    """network, vae: diffusers', on any device, they are not touched; encoders: those that stay on the GPU; side: of the
    latents; precision: of the network's arithmetic. The decoder and the critics compute in float32.
    """
    seeing = sum(map(weight, critics))
    return Needs(weight(network) + weight(vae) + sum(map(weight, encoders)), seeing,
                 guided_graph(network, side, precision), decoder_graph(vae, side), JUDGING * seeing)


def guided_graph(network: nn.Module, side: int, precision: torch.dtype) -> float:
    """GB that one image's guided prediction, of two rows or of one, keeps for its backward pass."""
    denoiser, meta = denoiser_of(on_meta(network, precision)), {"device": "meta", "dtype": precision}
    said, timestep = denoiser.blank(denoiser.passes, **meta), torch.zeros((), device="meta")
    latents = torch.zeros(denoiser.passes, *denoiser.latent_shape(side), **meta)
    return kept(lambda: denoiser.predict(latents, timestep, said), denoiser.network)


def decoder_graph(vae: nn.Module, side: int) -> float:
    """GB that decoding one image keeps for its backward pass."""
    network = on_meta(vae, torch.float32)
    latents = torch.zeros(1, network.config.latent_channels, side, side, device="meta", requires_grad=True)
    return kept(lambda: network.decode(latents).sample, network)


def on_meta(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The same network without numbers."""
    with torch.device("meta"):
        return type(network).from_config(network.config).to(dtype).eval().requires_grad_(False)


def weight(network: nn.Module) -> float:
    """GB of its parameters, and of its table of places where it has one."""
    return sum(p.numel() * p.itemsize for p in (*network.parameters(), *network.buffers())) / GIGABYTE


def place(tensor: Tensor) -> int:
    """Tells storages apart: a linear layer keeps a turned view of its weights."""
    return tensor.untyped_storage()._cdata


class Attention(torch.autograd.Function):
    """What fused attention keeps: its inputs and its result, not the weights between every two places."""

    @staticmethod
    def forward(context, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        result = query.new_empty(*query.shape[:-1], value.shape[-1])
        context.save_for_backward(query, key, value, result)
        return result


def kept(forward: Callable[[], Tensor], network: nn.Module) -> float:
    """GB that autograd keeps for the backward pass, the network's weights left out; every storage once."""
    own = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = lambda query, key, value, **options: Attention.apply(query, key, value)
    try:
        return kept_here(forward, network)
    finally:
        F.scaled_dot_product_attention = own


def kept_here(forward: Callable[[], Tensor], network: nn.Module) -> float:
    """The same by the attention of this machine, for networks with numbers."""
    weights = {place(p) for p in network.parameters()}
    storages: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if place(tensor) not in weights:
            storages[place(tensor)] = tensor
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values()) / GIGABYTE
