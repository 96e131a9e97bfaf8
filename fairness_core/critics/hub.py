"""Checkpoints by repository id or local folder: everything is read from a folder, safetensors only."""

import re
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig

from fairness_core.critics.protocols import CriticsError

REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
# No pickles, no leftovers of training, and not the same weights again by OpenCLIP's names.
WANTED = "--include '*.json' --include '*.txt' --include '*.safetensors' --exclude '*/*' --exclude 'open_clip*'"


def locate(source: str, folder: Path, purpose: str) -> Path:
    """The folder of a checkpoint: `source` below `folder`, or else the hub's repository "owner/name" or
    "owner/name@revision" where this machine has downloaded it; asks no network.

    Raises CriticsError, which says how to get it, for one that is not here, and for a path that leaves `folder`.
    """
    own = inside(folder, source, purpose)
    if own.is_dir():
        return own
    repository = REPOSITORY.fullmatch(source)
    if not repository:
        raise CriticsError(f"{purpose}: there is no folder {source} in {folder}, and a repository of the hub is "
                           "written owner/name.")
    try:
        return Path(snapshot_download(repository["name"], revision=repository["revision"], local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        name, revision = repository["name"], repository["revision"]
        wanted = f"--revision {revision} {WANTED}" if revision else WANTED
        raise CriticsError(f"{purpose}: {source} is not on this machine. Read its licence at "
                           f"https://huggingface.co/{name} and download it: hf download {name} {wanted}") from None


def inside(folder: Path, name: str, purpose: str) -> Path:
    """`name` below `folder`. Raises CriticsError where it leads out of it, by dots, links or as an absolute path."""
    path = folder / name
    if not name or not path.resolve().is_relative_to(folder.resolve()):
        raise CriticsError(f"{purpose}: {name!r} must lie in {folder}: put it there and give its name.")
    return path


def load_network(kind: type, folder: Path, purpose: str) -> nn.Module:
    """A checkpoint of a transformers class, float32, frozen, in eval mode.

    Raises CriticsError where the folder holds no such checkpoint, or not all of its weights: what is missing would be
    drawn at random.
    """
    try:
        network, report = kind.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True,
                                               output_loading_info=True, attn_implementation="eager")
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CriticsError(f"{purpose}: {folder.name} cannot be loaded. {first_line(error)}") from None
    if missing := sorted(report["missing_keys"]):
        raise CriticsError(f"{purpose}: {folder.name} lacks {missing[0]}: it is a checkpoint of another kind.")
    return network.eval().requires_grad_(False)


def model_type(folder: Path, purpose: str) -> str:
    """What its config says it is: "clip", "dinov2", "vit", ... Raises CriticsError where there is none."""
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True).model_type
    except (OSError, ValueError) as error:
        raise CriticsError(f"{purpose}: {folder.name} is no transformers checkpoint. {first_line(error)}") from None


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
