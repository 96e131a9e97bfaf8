"""Adapters as other programs write them, made from this app's own."""

from pathlib import Path

import torch
from helpers.fakes import tiny_unet
from safetensors.torch import load_file
from torch import Tensor

ATTENTION = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
RANKS = {f"{ATTENTION}.to_q": 1, f"{ATTENTION}.to_k": 3, f"{ATTENTION}.to_v": 3}
UNET_NAMES = {"to_q": "to_q_lora", "to_k": "to_k_lora", "to_v": "to_v_lora", "to_out.0": "to_out_lora"}


def published_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """By diffusers 0.19's names, which the paper's code saves: written out by hand, not by the code under test."""
    renamed = {}
    for name, value in tensors.items():
        tower, _, rest = name.partition(".")
        layer, _, matrix = rest.rpartition(".lora_")
        half = {"A.weight": "down.weight", "B.weight": "up.weight"}[matrix]
        if tower == "text_encoder":
            renamed[f"{layer}.lora_linear_layer.{half}"] = value
        else:
            end = next(end for end in UNET_NAMES if layer.endswith(f".{end}"))
            renamed[f"{layer.removesuffix(f'.{end}')}.processor.{UNET_NAMES[end]}.{half}"] = value
    return renamed


def save_published(adapter: Path, folder: Path) -> list[Path]:
    """text_encoder_lora_EMA.pth and unet_lora_EMA.pth, as far as the adapter's file has them."""
    paths, tensors = [], load_file(adapter)
    for tower in ("text_encoder", "unet"):
        own = {name: value for name, value in tensors.items() if name.startswith(f"{tower}.")}
        if own:
            paths.append(folder / f"{tower}_lora_EMA.pth")
            torch.save({name: torch.nn.Parameter(value) for name, value in published_names(own).items()}, paths[-1])
    return paths


def save_published_prefix(embeddings: Tensor, folder: Path) -> Path:
    """prefix_embedding.pth: the tokens behind a row of zeros, with the text encoder's own places."""
    path, width = folder / "prefix_embedding.pth", embeddings.shape[1]
    torch.save({"position_ids": torch.arange(77)[None], "position_embedding.weight": torch.randn(77, width),
                "token_embedding.weight": torch.cat([torch.zeros(1, width), embeddings])}, path)
    return path


def random_lora(layers: dict[str, int], names: tuple[str, str] = ("lora_A", "lora_B")) -> dict[str, Tensor]:
    """A and B of the rank given for each of the tiny U-Net's layers."""
    generator, unet, tensors = torch.Generator().manual_seed(0), tiny_unet(), {}
    for layer, rank in layers.items():
        weight = unet.get_submodule(layer).weight
        tensors[f"{layer}.{names[0]}.weight"] = 0.5 * torch.randn(rank, *weight.shape[1:], generator=generator)
        ends = [1] * (weight.ndim - 2)
        tensors[f"{layer}.{names[1]}.weight"] = torch.randn(len(weight), rank, *ends, generator=generator)
    return tensors
