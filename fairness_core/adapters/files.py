"""Adapter files: safetensors by the names that a stock diffusers pipeline reads, and what may be wrong with them."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fairness_core.errors import UserError
from fairness_core.files import write_atomically

LORA_FILE = "pytorch_lora_weights.safetensors"  # the name load_lora_weights looks for
TOKENS_FILE = "learned_embeds.safetensors"  # the name load_textual_inversion looks for
TOKEN = "<fair>"  # how a stock pipeline's prompt calls for the soft tokens
TOWERS = ("text_encoder", "text_encoder_2", "unet")  # the second is SDXL's
MODEL_PREFIX = "text_model."  # in CLIP's names before transformers 5; every diffusers reads files with it
UNREADABLE_SETTINGS = ("rank_pattern", "alpha_pattern", "use_rslora", "use_dora")


class AdapterError(UserError):
    """An adapter file that cannot be used; the message says why."""


@dataclass(frozen=True)
class LoraPart:
    """LoRA of one network: its tensors by the network's own names, one rank for all."""

    tensors: dict[str, Tensor]
    rank: int
    alpha: float


@dataclass(frozen=True)
class AdapterFile:
    """What a file holds: LoRA by tower (see TOWERS), or soft tokens [n, width]."""

    lora: dict[str, LoraPart]
    tokens: Tensor | None = None


def write_lora(folder: Path, lora: dict[str, dict[str, Tensor]]) -> Path:
    """Writes the tensors of each tower (alpha = rank) into one file; atomically. Returns the file."""
    from diffusers import StableDiffusionXLPipeline  # it knows every tower, and names the others as all pipelines do

    layers = {f"{tower}_lora_layers": with_prefix(tower, tensors) for tower, tensors in lora.items()}
    path = fresh_path(folder, LORA_FILE)
    write_atomically(path, lambda part: StableDiffusionXLPipeline.save_lora_weights(
        part.parent, **layers, weight_name=part.name))
    (folder / TOKENS_FILE).unlink(missing_ok=True)
    return path


def with_prefix(tower: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = "" if tower == "unet" else MODEL_PREFIX
    return {prefix + name.removeprefix(prefix): value for name, value in tensors.items()}


def write_tokens(folder: Path, embeddings: Tensor) -> Path:
    """Writes embeddings [n, width] as a textual inversion of the token "<fair>"; atomically. Returns the file."""
    path = fresh_path(folder, TOKENS_FILE)
    write_atomically(path, lambda part: save_file({TOKEN: embeddings.detach().contiguous()}, part, {"format": "pt"}))
    (folder / LORA_FILE).unlink(missing_ok=True)
    return path


def fresh_path(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def saved_adapter(folder: Path) -> Path:
    """The adapter's file in its folder: soft tokens where there are any, else LoRA, which need not exist yet."""
    tokens = folder / TOKENS_FILE
    return tokens if tokens.exists() else folder / LORA_FILE


def read_adapter(path: Path) -> AdapterFile:
    """Reads a file and tells its kind by its names.

    Raises AdapterError for a file that is not safetensors, is cut short, or holds anything else than LoRA of the
    text encoder or U-Net in diffusers' names or one textual inversion.
    """
    return parse_adapter(path, *read_safetensors(path))


def parse_adapter(path: Path, tensors: dict[str, Tensor], settings: dict) -> AdapterFile:
    """What the tensors and LoRA settings of a file are. Raises AdapterError as read_adapter does."""
    if not all(v.is_floating_point() and v.float().isfinite().all() for v in tensors.values()):
        raise AdapterError(f"{path.name} holds values that are not finite numbers: train the adapter again.")
    if all(name.split(".")[0] in TOWERS and ".lora_" in name for name in tensors) and tensors:
        return AdapterFile({tower: lora_part(path, tower, tensors, settings) for tower in TOWERS
                            if any(name.startswith(f"{tower}.") for name in tensors)})
    if len(tensors) == 1:
        (embeddings,) = tensors.values()
        if embeddings.ndim in (1, 2) and embeddings.numel():
            return AdapterFile({}, torch.atleast_2d(embeddings))
    raise AdapterError(f"{path.name} holds neither LoRA in diffusers' names nor soft tokens: use a file made by this "
                       "app, by diffusers' save_lora_weights, or by textual inversion; others can be converted by "
                       "python -m fairness_core convert.")


def lora_part(path: Path, tower: str, tensors: dict[str, Tensor], settings: dict) -> LoraPart:
    """One tower's LoRA. Raises AdapterError for several ranks, or settings that this app does not know."""
    own = {k.removeprefix(f"{tower}."): v for k, v in tensors.items() if k.startswith(f"{tower}.")}
    ranks = {v.shape[0] if v.ndim else 0 for k, v in own.items() if "lora_A" in k}
    alpha = settings.get(f"{tower}.lora_alpha") or max(ranks, default=0)
    unreadable = [name for name in UNREADABLE_SETTINGS if settings.get(f"{tower}.{name}")]
    if len(ranks) != 1 or 0 in ranks or unreadable or not isinstance(alpha, int | float):
        raise AdapterError(f"{path.name} holds no LoRA for the {tower.replace('_', ' ')} that this app can read: "
                           "every layer must have one rank and one alpha.")
    return LoraPart(own, ranks.pop(), alpha)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """All tensors of a file, and the LoRA settings in its header. Raises AdapterError when it is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            settings = json.loads((file.metadata() or {}).get("lora_adapter_metadata", "{}"))
            return {key: file.get_tensor(key) for key in file.keys()}, dict(settings)
    except FileNotFoundError:
        raise AdapterError(f"There is no adapter file {path.name}.") from None
    except (SafetensorError, OSError, TypeError, ValueError) as error:  # the last two: settings that are no JSON object
        raise AdapterError(f"{path.name} is not a whole safetensors file ({error}). "
                           "Only safetensors are accepted.") from None
