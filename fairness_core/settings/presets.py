"""Ready settings, from assets/presets/*.yaml."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig, from_plain
from fairness_core.settings.prompts import ConceptsError, prompts_of_groups
from fairness_core.settings.validation import ConfigError, Number, Text, read_yaml, settings, shortened

FOLDER = ASSETS / "presets"
KINDS = ("length", "experiment")
NEEDED, OPTIONAL = ("label", "description", "config"), ("kind", "measured_seconds_per_step", "budget_seconds", "concepts", "kept")


@settings
class Preset:
    """label and description are shown to people.

    kind: "length" (unless the file says otherwise), how long to finetune towards whatever target is chosen; or
    "experiment", a target and prompts of its own. seconds_per_step: measured on two CPU cores, or None. budget_seconds:
    on a slower machine it has fewer steps rather than take much longer; None: all its steps anywhere.
    """

    name: Text
    label: Text
    description: Text
    kind: str
    seconds_per_step: Annotated[Number, Field(gt=0)] | None
    config: FinetuneConfig
    budget_seconds: Annotated[Number, Field(gt=0)] | None = None


def load_preset(path: Path) -> Preset:
    """Reads one preset file. Raises ConfigError for an unknown setting, or a part that is missing or unknown.

    `concepts: {file: ..., groups: [...]}`, or a list of such, puts the prompts of groups of files of assets/prompts before
    the config's; `kept`, written alike, does so with its kept prompts.
    """
    data = read_yaml(path) or {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name} must be a list of 'name: value' lines, not {shortened(data)}.")
    if missing := [part for part in NEEDED if part not in data]:
        raise ConfigError(f"{path.name} lacks {missing[0]!r}: a preset has {', '.join(NEEDED)}.")
    if unknown := set(data) - {*NEEDED, *OPTIONAL}:
        known = ", ".join(NEEDED + OPTIONAL)
        raise ConfigError(f"{path.name} has an unknown part {shortened(min(unknown, key=str))}: choose among {known}.")
    kind, seconds = data.get("kind", "length"), data.get("measured_seconds_per_step")
    if kind not in KINDS:
        raise ConfigError(f"{path.name} is of kind {kind!r}: choose {' or '.join(KINDS)}.")
    if seconds is None and kind == "length":
        raise ConfigError(f"{path.name} lacks 'measured_seconds_per_step': a length is offered with its time.")
    config = from_plain(data["config"])
    for part, setting in (("concepts", "prompts"), ("kept", "kept_prompts")):
        if part in data:
            files = data[part] if isinstance(data[part], list) else [data[part]]
            listed = tuple(prompt for file in files for prompt in prompts_of_file(f"{path.name}, {part}", file))
            config = replace(config, **{setting: listed + getattr(config, setting)})
    return Preset(path.stem, data["label"], data["description"], kind, seconds, config, data.get("budget_seconds"))


def prompts_of_file(where: str, concepts: object) -> tuple[str, ...]:
    """Raises ConfigError for anything but {file: name in assets/prompts, groups: [...]} that can be read."""
    if not isinstance(concepts, dict) or set(concepts) != {"file", "groups"} or not (
            isinstance(concepts["file"], str) and isinstance(concepts["groups"], list)):
        raise ConfigError(f"{where}: write {{file: concepts.yaml, groups: [occupations]}}, as of assets/prompts.")
    try:
        return prompts_of_groups(concepts["file"], concepts["groups"])
    except ConceptsError as error:
        raise ConfigError(f"{where}: {error}") from None


def load_presets(folder: Path = FOLDER) -> list[Preset]:
    """Every preset of the folder, shortest first, those whose time is not known last."""
    presets = [load_preset(path) for path in sorted(folder.glob("*.yaml"))]
    return sorted(presets, key=lambda preset: (preset.seconds_per_step or float("inf")) * preset.config.steps)
