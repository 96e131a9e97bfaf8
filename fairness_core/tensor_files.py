"""Named tensors from files: safetensors, and PyTorch's own format read without running anything."""

from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import load_file
from torch import Tensor

from fairness_core.errors import UserError

PYTORCH_SUFFIXES = (".pt", ".pth")


class TensorFileError(UserError):
    """A file of tensors that cannot be read; the message says why."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict saved by torch.save (.pt, .pth), on the CPU.

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
