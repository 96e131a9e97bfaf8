"""A model's tokenizer without the model: what a prompt takes is told while it is typed, before anything is queued."""

import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from fairness_core.models import files as model_files
from fairness_core.models.registry import available_models
from fairness_core.settings.prompt_length import PromptLength, check_length, measure_prompt


def prompt_length(model: str, prompt: str, reserved: int = 0) -> PromptLength | None:
    """What a prompt takes of what the model reads. model: of the registry, a folder or a hub id, as for load_model.

    reserved: places that soft tokens take. None where the model is not on this machine, or has no tokenizer that can be
    read: then its loading tells. Asks no network.
    """
    folder = folder_of(model)
    tokenizer = None if folder is None else tokenizer_in(folder)
    return None if tokenizer is None else measure_prompt(tokenizer, prompt, reserved)


def check_prompts(model: str, prompts: Iterable[str], reserved: int = 0) -> None:
    """Raises PromptError for the first prompt that this model would not read to its end, as far as is known here."""
    for prompt in prompts:
        if length := prompt_length(model, prompt, reserved):
            check_length(prompt, length, reserved)


def folder_of(model: str) -> Path | None:
    """Where a model's files are, or None when they are not here."""
    for entry in available_models():
        if model in (entry.name, entry.repo):
            return entry.path
    folder = Path(model).expanduser()
    if (folder / model_files.INDEX).is_file():
        return folder.resolve()
    return model_files.cached_folder(model) if model_files.is_repo_id(model) else None


@lru_cache(maxsize=8)
def tokenizer_in(folder: Path) -> Any | None:
    """The tokenizer of a pipeline's folder, with the length that its text encoder reads; None where there is none."""
    import transformers
    try:
        kind = json.loads((folder / model_files.INDEX).read_text(encoding="utf-8"))["tokenizer"][1]
        tokenizer = getattr(transformers, kind).from_pretrained(folder / "tokenizer", local_files_only=True)
        encoder = json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return None
    tokenizer.model_max_length = min(tokenizer.model_max_length, encoder.get("max_position_embeddings", 77))
    return tokenizer
