"""Ready settings, from assets/presets/*.yaml."""

from dataclasses import dataclass
from pathlib import Path

from fairness_core.attributes import ASSETS
from fairness_core.config import ConfigError, FinetuneConfig, from_plain, read_yaml


PARTS = ("label", "description", "measured_seconds_per_step", "config")


@dataclass(frozen=True)
class Preset:
    """label and description are shown to people; seconds_per_step was measured on two CPU cores."""

    name: str
    label: str
    description: str
    seconds_per_step: float
    config: FinetuneConfig


def load_preset(path: Path) -> Preset:
    """Reads one preset file. Raises ConfigError for an unknown setting, or a part that is missing."""
    data = read_yaml(path)
    if missing := [part for part in PARTS if part not in (data or {})]:
        raise ConfigError(f"{path.name} lacks {missing[0]!r}: a preset has {', '.join(PARTS)}.")
    return Preset(path.stem, data["label"], data["description"], float(data["measured_seconds_per_step"]),
                  from_plain(data["config"]))


def load_presets(folder: Path = ASSETS / "presets") -> list[Preset]:
    """Every preset of the folder, shortest first."""
    presets = [load_preset(path) for path in folder.glob("*.yaml")]
    return sorted(presets, key=lambda preset: preset.seconds_per_step * preset.config.steps)
