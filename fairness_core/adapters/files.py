"""Adapter files: safetensors by the names that a stock diffusers pipeline reads, and what may be wrong with them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fairness_core.adapters.base_model import BaseModel, difference, from_header, name_of, to_header
from fairness_core.adapters.lora_part import LoraError, LoraPart, own_name, read_part
from fairness_core.errors import UserError
from fairness_core.files import write_atomically
from fairness_core.tensor_files import write_safetensors

LORA_FILE = "pytorch_lora_weights.safetensors"  # the name load_lora_weights looks for
TOKENS_FILE = "learned_embeds.safetensors"  # the name load_textual_inversion looks for
TOKEN = "<fair>"  # how a stock pipeline's prompt calls for the soft tokens
TEXT_TOWERS, DENOISER_TOWERS = ("text_encoder", "text_encoder_2"), ("unet", "transformer")
TOWERS = TEXT_TOWERS + DENOISER_TOWERS  # by a pipeline's names
SETTINGS = "lora_adapter_metadata"  # where diffusers keeps peft's LoraConfig, as JSON
NAMED = re.compile(r"(.*\.lora_[AB])\.([^.]+)(\.weight)")


class AdapterError(UserError):
    """An adapter file that cannot be used; the message says why."""


class UnknownKind(AdapterError):
    """An adapter file that is of no kind known here, by its names."""


@dataclass(frozen=True)
class AdapterFile:
    """What a file holds: LoRA by tower (see TOWERS), or soft tokens [n, width]; and what it was made for."""

    lora: dict[str, LoraPart]
    tokens: Tensor | None = None
    base: BaseModel = BaseModel()


def write_lora(folder: Path, lora: dict[str, dict[str, Tensor]], base: BaseModel = BaseModel(),
               settings: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """Writes the tensors of each tower (alpha = rank) into one file; atomically. Returns the file.

    settings: each tower's LoraConfig, as diffusers keeps it in the header; it can do without.
    """
    tensors = {f"{tower}.{own_name(name, tower in DENOISER_TOWERS)}": value
               for tower, own in lora.items() for name, value in own.items()}
    told = {f"{tower}.{name}": value for tower, own in (settings or {}).items() for name, value in own.items()}
    header = to_header(base, "lora") | ({SETTINGS: json.dumps(told, indent=2, sort_keys=True)} if told else {})
    path = fresh_path(folder, LORA_FILE)
    write_atomically(path, lambda part: write_safetensors(part, tensors, header))
    (folder / TOKENS_FILE).unlink(missing_ok=True)
    return path


def write_tokens(folder: Path, embeddings: Tensor, base: BaseModel = BaseModel()) -> Path:
    """Writes embeddings [n, width] as a textual inversion of the token "<fair>"; atomically. Returns the file."""
    path, header = fresh_path(folder, TOKENS_FILE), to_header(base, "textual-inversion")
    write_atomically(path, lambda part: write_safetensors(part, {TOKEN: embeddings}, header))
    (folder / LORA_FILE).unlink(missing_ok=True)
    return path


def halve_precision(path: Path) -> None:
    """Rewrites an adapter's file in float16, half as large, header as it was; atomically.

    It loads as before and paints the same but for rounding. Raises AdapterError for a file that cannot be read, or with
    a value beyond float16.
    """
    tensors, header = read_safetensors(path)
    halved = {name: value.half() for name, value in tensors.items()}
    parse_adapter(path, halved, header)
    write_atomically(path, lambda part: write_safetensors(part, halved, header))


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
    text encoder, U-Net or transformer in diffusers' names or one textual inversion.
    """
    tensors, header = read_safetensors(path)
    try:
        return parse_adapter(path, tensors, header)
    except UnknownKind as error:
        raise AdapterError(f"{error} Others can be converted by python -m fairness_core convert.") from None


def adapter_notice(path: Path, entry: Any) -> str:
    """What people should know before they use a file with a model that it may fit and was not made for, such as one of
    SD 1.5 with SD 1.4; empty where there is nothing to say. entry: the model's row of the registry.

    Raises AdapterError for a file that cannot be read.
    """
    told = difference(read_adapter(path).base.name, name_of(entry))
    return f"{path.name} {told}" if told else ""


def parse_adapter(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> AdapterFile:
    """What the tensors and the header of a file are. Raises AdapterError as read_adapter does, UnknownKind for no kind."""
    if not all(v.is_floating_point() and v.float().isfinite().all() for v in tensors.values()):
        raise AdapterError(f"{path.name} holds values that are not finite numbers: train the adapter again.")
    settings = settings_in(path, header)
    base = from_header(header, settings)
    if all(name.split(".")[0] in TOWERS and ".lora_" in name for name in tensors) and tensors:
        tensors = without_adapter_name(path, tensors)
        return AdapterFile({tower: lora_part(path, tower, tensors, settings) for tower in TOWERS
                            if any(name.startswith(f"{tower}.") for name in tensors)}, base=base)
    if len(tensors) == 1:
        (embeddings,) = tensors.values()
        if embeddings.ndim in (1, 2) and embeddings.numel():
            return AdapterFile({}, torch.atleast_2d(embeddings), base)
    raise UnknownKind(f"{path.name} holds neither LoRA in diffusers' names nor soft tokens: use a file made by this "
                      "app, by diffusers' save_lora_weights, or by textual inversion.")


def without_adapter_name(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """lora_A.weight, where peft's state dict says lora_A.default.weight. Raises AdapterError for several adapters."""
    names = {name: NAMED.fullmatch(name) for name in tensors}
    adapters = sorted({found[2] for found in names.values() if found})
    if len(adapters) > 1:
        raise AdapterError(f"{path.name} holds several adapters ({', '.join(adapters)}): save one of them alone.")
    return {found[1] + found[3] if found else name: tensors[name] for name, found in names.items()}


def lora_part(path: Path, tower: str, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> LoraPart:
    """One tower's LoRA. Raises AdapterError for what is no LoRA, or settings that this app does not know."""
    own = {own_name(k.removeprefix(f"{tower}."), tower in DENOISER_TOWERS): v for k, v in tensors.items()
           if k.startswith(f"{tower}.")}
    try:
        return read_part(own, {k.removeprefix(f"{tower}."): v for k, v in settings.items() if k.startswith(f"{tower}.")})
    except LoraError as error:
        raise AdapterError(f"{path.name} holds no LoRA for the {tower.replace('_', ' ')} that this app can read: "
                           f"{error}") from None


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a file, and its header's metadata. Raises AdapterError when it is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}
    except FileNotFoundError:
        raise AdapterError(f"There is no adapter file {path.name}.") from None
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{path.name} is not a whole safetensors file ({error}). "
                           "Only safetensors are accepted.") from None


def settings_in(path: Path, header: Mapping[str, str]) -> dict[str, Any]:
    """The LoRA settings in a header. Raises AdapterError when they are no JSON object."""
    try:
        settings = json.loads(header.get(SETTINGS, "{}"))
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise AdapterError(f"{path.name} is not a whole safetensors file: the LoRA settings in it cannot be read.")
    return settings
