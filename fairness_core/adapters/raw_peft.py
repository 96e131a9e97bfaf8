"""LoRA as peft itself saves it: adapter_model.safetensors, and adapter_config.json beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from fairness_core.adapters.files import SETTINGS, TOWERS, AdapterError
from fairness_core.adapters.lora_part import LoraError, check_settings

PREFIX, CONFIG = "base_model.model.", "adapter_config.json"
OF_TEXT_ENCODERS = (".self_attn.", ".mlp.", "text_projection")
OF_TRANSFORMERS = "transformer_blocks.0.attn."  # of SD 3 and FLUX; a U-Net's blocks have attn1 and attn2
WITH_PROJECTION = "CLIPTextModelWithProjection"  # the class of SDXL's second text encoder


def is_raw_peft(names: set[str]) -> bool:
    return bool(names) and all(name.startswith(PREFIX) for name in names)


def from_raw_peft(path: Path, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The same in this app's names, and the settings as diffusers keeps them in a header.

    Raises AdapterError without a readable adapter_config.json, which says how much the adapter counts, and for kinds
    beside LoRA and rsLoRA.
    """
    config = read_config(path)
    try:
        check_settings(config)
    except LoraError as error:
        raise AdapterError(f"{path.name} cannot be read: {error}") from None
    tower = tower_of(path, config, tensors)
    named = {f"{tower}.{name.removeprefix(PREFIX)}": value for name, value in tensors.items()}
    return named, {SETTINGS: json.dumps({f"{tower}.{name}": value for name, value in config.items()})}


def read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.with_name(CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = None
    if not isinstance(config, dict):
        raise AdapterError(f"{path.name} is a file of peft's, and says how much it counts in {CONFIG}: put that file "
                           "beside it, as peft wrote it.")
    return config


def tower_of(path: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Which network it is for: by its folder's name, as diffusers' scripts give them, else by its layers and class."""
    if path.parent.name in TOWERS:
        return path.parent.name
    if not any(part in name for name in tensors for part in OF_TEXT_ENCODERS):
        return "transformer" if any(OF_TRANSFORMERS in name for name in tensors) else "unet"
    mapping = config.get("auto_mapping")
    kind = mapping.get("base_model_class") if isinstance(mapping, dict) else None
    return "text_encoder_2" if kind == WITH_PROJECTION else "text_encoder"
