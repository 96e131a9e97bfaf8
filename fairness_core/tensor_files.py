"""Named tensors from files: safetensors, and PyTorch's own format read without running anything."""

import json
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from fairness_core.errors import UserError

PYTORCH_SUFFIXES = (".pt", ".pth", ".bin")


class TensorFileError(UserError):
    """A file of tensors that cannot be read; the message says why."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict saved by torch.save (.pt, .pth, .bin), on the CPU.

    A PyTorch file is read with weights_only: what it holds besides tensors is refused and never run.
    Raises TensorFileError for a file that is missing, cut short, of another kind, or holds anything but named tensors.
    """
    try:
        is_pytorch = path.suffix in PYTORCH_SUFFIXES
        tensors = torch.load(path, map_location="cpu", weights_only=True) if is_pytorch else load_file(path)
    except FileNotFoundError:
        raise TensorFileError(f"There is no file {path.name}.") from None
    except UnpicklingError:
        raise TensorFileError(f"{path.name} is cut short, or holds more than tensors: that is not read, "
                              "because it could run a program.") from None
    except Exception as error:  # on a damaged file, torch's reader may fail anywhere
        reason = str(error).strip().partition("\n")[0] or "it is empty"
        raise TensorFileError(f"{path.name} is not a whole safetensors file or PyTorch state dict "
                              f"({reason}).") from None
    if not isinstance(tensors, dict) or not tensors or not all(
            isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()):
        raise TensorFileError(f"{path.name} holds something else than named tensors.")
    return {name: value.detach() for name, value in tensors.items()}


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Like safetensors' save_file, which puts the header's entries into any order: equal contents are equal bytes here.

    Raises OSError when the disk refuses.
    """
    data = save({name: value.detach().contiguous() for name, value in tensors.items()}, dict(header))
    end = 8 + int.from_bytes(data[:8], "little")
    contents = json.loads(data[8:end])
    contents["__metadata__"] = dict(sorted(contents["__metadata__"].items()))
    text = json.dumps(contents, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight bytes
    with path.open("wb") as file:
        file.writelines([len(text).to_bytes(8, "little"), text, memoryview(data)[end:]])
