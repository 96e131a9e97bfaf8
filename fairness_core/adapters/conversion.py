"""One adapter file from another, or from the two halves of one; what a file is, is told by its names."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from fairness_core.adapters.base_model import BaseModel, to_header
from fairness_core.adapters.files import (LORA_FILE, AdapterError, AdapterFile, UnknownKind, parse_adapter,
                                          read_safetensors, write_lora, write_tokens)
from fairness_core.adapters.kohya import from_kohya, is_kohya, to_kohya
from fairness_core.adapters.published import from_published, is_published
from fairness_core.adapters.raw_peft import from_raw_peft, is_raw_peft
from fairness_core.tensor_files import PYTORCH_SUFFIXES, read_state_dict, write_safetensors

FORMATS = ("diffusers", "kohya")


def convert(sources: Sequence[Path], destination: Path, format: str = "diffusers") -> AdapterFile:
    """Writes what the sources hold together into one safetensors file, and returns it.

    sources: safetensors in diffusers' or kohya's names or as peft saves it (adapter_model.safetensors beside
    adapter_config.json), or the state dicts (.pth, .pt, .bin) of the paper's code; only tensors are read of these.
    format: "diffusers" (this app's own; soft tokens as a textual inversion) or "kohya". What was written is read again
    before it gets its name.
    Raises AdapterError or TensorFileError for a file that is foreign, cut short or holds more than tensors, for
    sources that overlap, and for a destination that exists or is no .safetensors file.
    """
    if destination.suffix != ".safetensors" or destination.exists():
        raise AdapterError(f"{destination} exists already, or does not end in .safetensors: name a new file.")
    adapter = read_any(sources)
    check_whole(adapter)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=destination.parent) as folder:
        written = write_kohya(adapter, Path(folder)) if format == "kohya" else write_plain(adapter, Path(folder))
        check_written(adapter, written)
        os.replace(written, destination)
    return adapter


def write_plain(adapter: AdapterFile, folder: Path) -> Path:
    """In this app's own format, which knows no alpha: it is multiplied into B."""
    if adapter.tokens is not None:
        return write_tokens(folder, adapter.tokens, adapter.base)
    return write_lora(folder, {tower: part.with_alpha() for tower, part in adapter.lora.items()}, adapter.base)


def write_kohya(adapter: AdapterFile, folder: Path) -> Path:
    header = to_header(adapter.base, "lora") | {"ss_network_module": "networks.lora"}
    write_safetensors(folder / LORA_FILE, to_kohya(adapter), header)
    return folder / LORA_FILE


def check_whole(adapter: AdapterFile) -> None:
    """Raises AdapterError for a layer with one of its two matrices alone: no model reads it."""
    for tower, part in adapter.lora.items():
        for layer in part.ranks:
            if not {f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"} <= set(part.tensors):
                raise AdapterError(f"{tower}.{layer} lacks one of its two matrices: the file is not whole.")


def check_written(adapter: AdapterFile, written: Path) -> None:
    """Raises AdapterError where what was written, read again, holds other layers than it should."""
    read = read_one(written)
    layers, wanted = ({tower: sorted(part.tensors) for tower, part in file.lora.items()} for file in (read, adapter))
    if layers != wanted or (read.tokens is None) != (adapter.tokens is None):
        raise AdapterError("This adapter has layers that have no name in that format: nothing was written.")


def read_any(sources: Sequence[Path]) -> AdapterFile:
    """What the files hold together: LoRA of different networks may come in several, soft tokens in one alone."""
    together = AdapterFile({})
    for path in sources:
        adapter = read_one(path)
        if set(together.lora) & set(adapter.lora) or (len(sources) > 1 and adapter.tokens is not None):
            raise AdapterError(f"{path.name} holds what another file holds already, or soft tokens: convert it alone.")
        together = AdapterFile(together.lora | adapter.lora, adapter.tokens, joint_base(path, together, adapter))
    return together


def joint_base(path: Path, together: AdapterFile, adapter: AdapterFile) -> BaseModel:
    """What both say, or the one that says something. Raises AdapterError for adapters of two kinds of model."""
    bases = [base for base in (together.base, adapter.base) if base != BaseModel()]
    if len({base.kind for base in bases if base.kind}) > 1:
        raise AdapterError(f"{path.name} was made for {adapter.base.label}, and the other file for {together.base.label}: "
                           "convert each alone.")
    if len({base.name for base in bases if base.name}) > 1:
        return replace(bases[0], name="")
    return BaseModel(*(next((v for base in bases if (v := getattr(base, field))), "") for field in ("architecture", "name")))


def read_one(path: Path) -> AdapterFile:
    tensors, header = (read_state_dict(path), {}) if path.suffix in PYTORCH_SUFFIXES else read_safetensors(path)
    try:
        return parse_adapter(path, *translated(path, tensors, header))
    except UnknownKind as error:
        raise AdapterError(f"{error} Also read: LoRA in kohya's names, as peft saves it, and as the paper's authors "
                           "published it.") from None
    except AdapterError as error:
        raise error if path.name in str(error) else AdapterError(f"{path.name}: {error}") from None


def translated(path: Path, tensors: dict[str, Tensor],
               header: Mapping[str, str]) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """The tensors by this app's names, and the header with what is told beside the file."""
    names = set(tensors)
    if is_raw_peft(names):
        return from_raw_peft(path, tensors)
    if is_kohya(names):
        return from_kohya(tensors), header
    return from_published(tensors) if is_published(names) else tensors, header
