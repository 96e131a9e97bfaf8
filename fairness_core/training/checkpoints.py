"""The whole state of a run in one safetensors file: written atomically, restored bit by bit."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.amp import GradScaler

from fairness_core.errors import UserError
from fairness_core.files import write_atomically
from fairness_core.training.average import MovingAverage

FILE_NAME = "checkpoint.safetensors"


class CheckpointError(UserError):
    """A checkpoint that cannot be continued; the message says why."""


def save_checkpoint(folder: Path, step: int, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer,
                    average: MovingAverage, scaler: GradScaler | None = None) -> Path:
    """Writes parameters, optimizer moments, averages and the loss scale after `step` steps. Raises OSError on a full disk."""
    tensors = {f"parameter.{i}": p.detach() for i, p in enumerate(parameters)}
    tensors |= {f"average.{i}": v for i, v in enumerate(average.values)}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": value for name, value in state.items()}
    header = {"step": str(step), "average_weight": json.dumps(average.weight)}
    if scaler is not None and scaler.is_enabled():
        header["loss_scale"] = json.dumps(scaler.state_dict())
    path = folder / FILE_NAME
    write_atomically(path, lambda part: save_file({k: v.contiguous() for k, v in tensors.items()}, part, header))
    return path


def load_checkpoint(folder: Path, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer,
                    average: MovingAverage, scaler: GradScaler | None = None) -> int:
    """Restores what save_checkpoint wrote and returns its step; 0 when the folder holds none.

    Raises CheckpointError when the file is damaged or belongs to other settings.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            header, tensors = file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): delete the run and start again.") from None
    wanted = {f"{kind}.{i}": p.shape for kind in ("parameter", "average") for i, p in enumerate(parameters)}
    if {k: v.shape for k, v in tensors.items() if not k.startswith("optimizer.")} != wanted or "step" not in header:
        raise CheckpointError("The checkpoint was made with another LoRA rank or model: "
                              "continue with the run's own settings.")
    with torch.no_grad():
        for i, parameter in enumerate(parameters):
            parameter.copy_(tensors[f"parameter.{i}"])
            average.values[i].copy_(tensors[f"average.{i}"])
    average.weight = json.loads(header["average_weight"])
    if scaler is not None and "loss_scale" in header:
        scaler.load_state_dict(json.loads(header["loss_scale"]))
    moments: dict[int, dict] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            moments.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(header["step"])


def forget_checkpoint(folder: Path) -> None:
    """Removes an earlier run's checkpoint, so that a new run can never be continued with its state."""
    (folder / FILE_NAME).unlink(missing_ok=True)
