"""LoRA in the names of kohya-ss' scripts, which AUTOMATIC1111's and ComfyUI's pages read: lora_unet_..., lora_te_..."""

from types import SimpleNamespace

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.utils.state_dict_utils import (StateDictType, convert_state_dict_to_kohya, convert_state_dict_to_peft,
                                              convert_unet_state_dict_to_peft)
from torch import Tensor

from fairness_core.adapters.files import AdapterError, AdapterFile

PREFIXES = ("lora_te_", "lora_te1_", "lora_te2_", "lora_unet_")
KINDS = {"dora_scale": "DoRA", "hada_": "LoHa", "lokr_": "LoKr", "lora_mid": "LoCon's Tucker form", "oft_": "OFT",
         "glora_": "GLoRA", ".diff": "whole weights"}
SDXL = SimpleNamespace(layers_per_block=2)  # what is asked of its U-Net's config to translate the original names


def is_kohya(names: set[str]) -> bool:
    return bool(names) and all(name.startswith(PREFIXES) for name in names)


def from_kohya(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in this app's names, each layer's alpha / rank multiplied into its second matrix.

    Raises AdapterError for kinds beside LoRA, such as DoRA, LoHa and LoKr, and for a layer that is not whole.
    """
    if other := sorted(n for n in tensors if not n.endswith((".lora_down.weight", ".lora_up.weight", ".alpha"))):
        kind = next((f", but of {kind}" for part, kind in KINDS.items() if part in other[0]), "")
        raise AdapterError(f"{other[0]} is no part of plain LoRA{kind}: only plain LoRA can be converted.")
    layers = {n.partition(".")[0] for n in tensors}
    plain = {}
    for layer in layers:
        try:
            down, up = tensors[f"{layer}.lora_down.weight"], tensors[f"{layer}.lora_up.weight"]
        except KeyError:
            raise AdapterError(f"{layer} lacks one of its two matrices: the file is not whole.") from None
        alpha = tensors.get(f"{layer}.alpha", torch.tensor(down.shape[:1]))
        if not down.numel() or alpha.numel() != 1:
            raise AdapterError(f"{layer} has no rank, or more than one alpha: the file is not whole.")
        scale = float(alpha) / len(down)
        plain |= {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up * scale}
    try:
        named, _ = StableDiffusionXLPipeline.lora_state_dict(plain, unet_config=SDXL)
    except (ValueError, KeyError, IndexError) as error:
        raise AdapterError(f"The layers of this file are of no Stable Diffusion ({error}).") from None
    unet = {n: v for n, v in named.items() if n.startswith("unet.")}
    encoders = {n: v for n, v in named.items() if n not in unet}
    for kind in (StateDictType.DIFFUSERS_OLD, StateDictType.DIFFUSERS):  # the second for SDXL's text projection
        encoders = convert_state_dict_to_peft(encoders, kind)
    return encoders | convert_unet_state_dict_to_peft(unet)


def to_kohya(adapter: AdapterFile) -> dict[str, Tensor]:
    """The LoRA of a file in kohya's names, with one alpha for all layers of a network: diffusers mixes up several.

    Raises AdapterError for soft tokens, which kohya has none of, and for a transformer, whose layers have other names there.
    """
    if "transformer" in adapter.lora:
        raise AdapterError("LoRA of Stable Diffusion 3 and FLUX is not written in kohya's names, which name their layers "
                           "otherwise: keep it in diffusers' names.")
    if adapter.tokens is not None:
        raise AdapterError("Soft tokens have no form in kohya's names: keep them as a textual inversion (diffusers).")
    kohya = {}
    for tower, part in adapter.lora.items():
        named = {f"{tower}.{name}": value for name, value in part.with_alpha(part.rank).items()}
        kohya |= {name: torch.tensor(float(part.rank)) if name.endswith(".alpha") else value
                  for name, value in convert_state_dict_to_kohya(named).items()}
    if "text_encoder_2" in adapter.lora:
        return kohya
    return {name.replace("lora_te1_", "lora_te_"): value for name, value in kohya.items()}  # a single one has no number
