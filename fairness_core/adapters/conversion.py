"""One adapter file from another, or from the two halves of one; what a file is, is told by its names."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file
from torch import Tensor

from fairness_core.adapters.files import (AdapterError, AdapterFile, LoraPart, parse_adapter, read_safetensors,
                                          write_lora, write_tokens)
from fairness_core.adapters.kohya import from_kohya, is_kohya, to_kohya
from fairness_core.adapters.published import from_published, is_published
from fairness_core.files import write_atomically
from fairness_core.tensor_files import PYTORCH_SUFFIXES, read_state_dict

FORMATS = ("diffusers", "kohya")


def convert(sources: Sequence[Path], destination: Path, format: str = "diffusers") -> AdapterFile:
    """Writes what the sources hold together into one safetensors file, and returns it.

    sources: safetensors in diffusers' or kohya's names, or the state dicts (.pth, .pt) of the paper's code; only
    tensors are read of these. format: "diffusers" (this app's own; soft tokens as a textual inversion) or "kohya".
    Raises AdapterError or TensorFileError for a file that is foreign, cut short or holds more than tensors, for
    sources that overlap, and for a destination that exists or is no .safetensors file.
    """
    if destination.suffix != ".safetensors" or destination.exists():
        raise AdapterError(f"{destination} exists already, or does not end in .safetensors: name a new file.")
    adapter = read_any(sources)
    destination.parent.mkdir(parents=True, exist_ok=True)
    if format == "kohya":
        tensors = {name: value.contiguous() for name, value in to_kohya(adapter).items()}
        settings = {"format": "pt", "ss_network_module": "networks.lora"}
        write_atomically(destination, lambda part: save_file(tensors, part, settings))
    else:
        with TemporaryDirectory(dir=destination.parent) as folder:
            os.replace(write_plain(adapter, Path(folder)), destination)
    return adapter


def write_plain(adapter: AdapterFile, folder: Path) -> Path:
    """In this app's own format, which knows no alpha: it is multiplied into B."""
    if adapter.tokens is not None:
        return write_tokens(folder, adapter.tokens)
    return write_lora(folder, {tower: without_alpha(part) for tower, part in adapter.lora.items()})


def without_alpha(part: LoraPart) -> dict[str, Tensor]:
    return {name: value * (part.alpha / part.rank) if "lora_B" in name else value
            for name, value in part.tensors.items()}


def read_any(sources: Sequence[Path]) -> AdapterFile:
    """What the files hold together: LoRA of different networks may come in several, soft tokens in one alone."""
    lora, tokens = {}, None
    for path in sources:
        adapter = read_one(path)
        if set(lora) & set(adapter.lora) or (len(sources) > 1 and adapter.tokens is not None):
            raise AdapterError(f"{path.name} holds what another file holds already, or soft tokens: convert it alone.")
        lora, tokens = lora | adapter.lora, adapter.tokens
    return AdapterFile(lora, tokens)


def read_one(path: Path) -> AdapterFile:
    tensors, settings = (read_state_dict(path), {}) if path.suffix in PYTORCH_SUFFIXES else read_safetensors(path)
    try:
        return parse_adapter(path, translated(tensors), settings)
    except AdapterError as error:
        raise error if path.name in str(error) else AdapterError(f"{path.name}: {error}") from None


def translated(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    names = set(tensors)
    if is_kohya(names):
        return from_kohya(tensors)
    return from_published(tensors) if is_published(names) else tensors
