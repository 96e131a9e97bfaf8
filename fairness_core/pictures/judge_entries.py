"""Who may judge pictures: the built-in classifier, which knows rendered faces alone, or those of a critics file.

Told without loading any of them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from fairness_core.pictures.limits import PicturesError

BUILT_IN, CRITICS, TRAINED_AGAINST = "built-in", "critics", "critics-trained-against"
FOLDER, CRITICS_FILE = "FAIRNESS_CRITICS", "critics.yaml"  # the environment variable that names the folder of the file
BUILT_IN_PICTURES = (128, 128)  # pixels: what the built-in model paints
SYNTHETIC = ("The built-in classifier learned from rendered, synthetic faces alone. What it says of photographs, or of other "
             "models' pictures, cannot be relied on: for those choose classifiers trained on photographs, by a critics file.")
NOT_SET_UP = ("Classifiers for photographs are not set up here: copy assets/critics.yaml into a folder, follow its first "
              f"lines, and name the folder in the environment variable {FOLDER}.")


@dataclass(frozen=True)
class JudgeEntry:
    """A judge that can be chosen. unavailable: in plain words why it cannot be here, or "". warning: said with its figures."""

    name: str
    label: str
    unavailable: str = ""
    warning: str = ""


def available_judges(environment: Mapping[str, str] = os.environ) -> list[JudgeEntry]:
    """The built-in one, and those of the critics file, whether it is here or not."""
    unavailable, models = "", {}
    folder = environment.get(FOLDER, "")
    path = critics_file(folder)
    try:
        models = yaml.safe_load(path.read_text(encoding="utf-8")) if folder else {}
    except (OSError, ValueError, yaml.YAMLError):
        unavailable = f"{path} cannot be read, and {FOLDER} names it: copy assets/critics.yaml there and change it."
    measuring, training = (words_of(models, name) for name in ("evaluator", "classifier"))
    unavailable = unavailable or ("" if folder else NOT_SET_UP)
    return [JudgeEntry(BUILT_IN, "Built-in (knows synthetic faces only)", warning=SYNTHETIC),
            JudgeEntry(CRITICS, f"Critics file, those that only measure ({measuring})", unavailable),
            JudgeEntry(TRAINED_AGAINST, f"Critics file, those that finetuning uses ({training})", unavailable)]


def critics_file(folder: str) -> Path:
    path = Path(folder)
    return path / CRITICS_FILE if path.is_dir() else path


def words_of(models: object, part: str) -> str:
    """ "gender by crangana/trained-gender, race by ..." """
    chosen = models.get(part) if isinstance(models, dict) else None
    if not isinstance(chosen, dict):
        return "trained on photographs"
    names = {name: entry.get("model", "") if isinstance(entry, dict) else entry for name, entry in chosen.items()}
    return ", ".join(f"{name} by {str(model).partition('@')[0]}" for name, model in names.items())


def entry_called(name: str) -> JudgeEntry:
    """Raises PicturesError for a judge that there is not, or that cannot be used here."""
    return usable_judge(name, available_judges())


def usable_judge(name: str, judges: list[JudgeEntry]) -> JudgeEntry:
    """The one of that name. Raises PicturesError for none, or one that cannot be used here."""
    entries = {entry.name: entry for entry in judges}
    if name not in entries:
        raise PicturesError(f"Unknown classifier {name!r}: choose among {', '.join(entries)}.")
    if entries[name].unavailable:
        raise PicturesError(entries[name].unavailable)
    return entries[name]
