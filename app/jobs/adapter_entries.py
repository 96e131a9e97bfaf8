"""Adapters with a name, listed among the runs: a checkpoint that was kept, or a file that someone brought."""

import shutil
from dataclasses import replace
from pathlib import Path

from app.jobs.files import ADAPTER, FINISHED, Job, JobError, JobRequest, now, save_state
from app.targets.sliders import target_words
from fairness_core import runs
from fairness_core.about import About
from fairness_core.adapters.files import LORA_FILE, TOKENS_FILE, AdapterError, read_adapter
from fairness_core.files import write_atomically
from fairness_core.settings.config import FinetuneConfig

LONGEST_NAME, LARGEST_FILE = 60, 2 ** 30


def checked_name(name: str) -> str:
    """Raises JobError for a name of a run or checkpoint that is empty or too long to be listed."""
    name = " ".join(str(name or "").split())
    if not name or len(name) > LONGEST_NAME:
        raise JobError(f"Type a name of 1 to {LONGEST_NAME} characters to list this under.")
    return name


def keep_checkpoint(root: Path, source: runs.RunFolder, request: JobRequest, step: int, name: str) -> str:
    """Copies the run's adapter as it is after `step` steps under a name of its own; returns the entry's id.

    Its settings are the run's up to that step, so that the command line reproduces it.
    """
    config = replace(request.config, steps=max(step, 1))
    folder = place(root, source.adapter, source.adapter.name, config)
    title = f"{name}: toward {target_words(config)}, step {step} of run {source.path.name}"
    runs.save_about(folder, About(title, date=now(), model=config.model))
    runs.bundle(folder)
    save_state(Job(folder.path.name, replace(request, kind=ADAPTER, config=config, name=name), now(), folder,
                   state=FINISHED))
    return folder.path.name


def bring_adapter(root: Path, path: Path, config: FinetuneConfig) -> runs.RunFolder:
    """A folder with a copy of a safetensors file, under the name of its kind.

    Raises AdapterError for any other file; whether it fits the model is seen when it is attached.
    """
    if path.suffix.lower() != ".safetensors" or path.stat().st_size > LARGEST_FILE:
        raise AdapterError(f"{path.name} is no adapter file: choose a .safetensors file of at most 1 GB.")
    tokens = read_adapter(path).tokens
    return place(root, path, LORA_FILE if tokens is None else TOKENS_FILE, config)


def place(root: Path, adapter: Path, name: str, config: FinetuneConfig) -> runs.RunFolder:
    folder = runs.run_path(root, runs.new_run_id())
    runs.save_config(folder, config)
    (folder.path / "adapter").mkdir()
    write_atomically(folder.path / "adapter" / name, lambda part: shutil.copyfile(adapter, part))
    return folder
