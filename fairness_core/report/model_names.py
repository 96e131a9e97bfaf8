"""What a model is called outside this machine: the registry's short names and people's folders mean nothing there."""

from pathlib import Path

from fairness_core.models.files import is_repo_id
from fairness_core.models.registry import ModelEntry, available_models


def registered(model: str) -> ModelEntry | None:
    """The registry's row of that name, label (recorded runs tell it) or hub id; None for any other model."""
    return next((row for row in available_models() if model in (row.name, row.label, row.repo)), None)


def hub_id(model: str) -> str:
    """The model's id on the Hugging Face hub; empty for the built-in one and for a folder of someone's own."""
    if row := registered(model):
        return row.repo
    return model if is_repo_id(model) and not Path(model).expanduser().exists() else ""


def model_source(model: str) -> str:
    """Where from_pretrained finds a model: its hub id, the built-in one's folder, or where a reader's own would lie."""
    row = registered(model)
    built_in = f"assets/{row.folder}" if row and row.folder else ""
    return hub_id(model) or built_in or f"path/to/{Path(model).name}"


def public_name(model: str) -> str:
    """The model as it was named, but of a folder only its last part: the rest tells of someone's machine."""
    return model if registered(model) or hub_id(model) else Path(model).name
