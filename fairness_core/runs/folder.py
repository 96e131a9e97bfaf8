"""Where the parts of a run lie, its name, its settings, and what is told about it."""

import re
import secrets
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

import yaml

from fairness_core.about import About
from fairness_core.adapters.files import saved_adapter
from fairness_core.errors import UserError
from fairness_core.files import write_atomically
from fairness_core.settings.config import FinetuneConfig, load_config

RUN_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class RunError(UserError):
    """A run that cannot be read or named; the message says which file and what to do."""


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie. Nothing is created until something is saved."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def about(self) -> Path:
        return self.path / "about.yaml"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def film(self) -> Path:
        return self.path / "film"

    @property
    def adapter(self) -> Path:
        """The adapter's file, of LoRA or of soft tokens; where LoRA would lie when there is none."""
        return saved_adapter(self.path / "adapter")

    @property
    def comparisons(self) -> Path:
        return self.path / "comparisons.json"

    @property
    def archive(self) -> Path:
        """The whole run as one zip to hand on, once it was made."""
        return self.path / f"{self.path.name}.zip"

    @property
    def corrections(self) -> Path:
        return self.path / "corrections.json"

    @property
    def images(self) -> Path:
        return self.path / "images"


def new_run_id() -> str:
    """Sorts by time, and two of one second differ: 20250131-142501-9f2c1a."""
    return f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def run_path(root: Path, run_id: str) -> RunFolder:
    """The run's folder under `root`. Raises RunError for an id that is not letters, digits and hyphens."""
    if not isinstance(run_id, str) or len(run_id) > 64 or not RUN_ID.fullmatch(run_id):
        raise RunError(f"{run_id!r} is not the id of a run: use at most 64 of a-z, 0-9, with single hyphens between.")
    return RunFolder(root / run_id)


# ---------------------------------------------------------------- settings and what is told about a run

def save_config(folder: RunFolder, config: FinetuneConfig) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    write_atomically(folder.config, config.save)


def read_config(folder: RunFolder) -> FinetuneConfig:
    """Raises RunError when config.yaml is missing or holds something else than settings."""
    try:
        return load_config(folder.config)
    except FileNotFoundError:
        raise RunError(f"{folder.path} holds no config.yaml: it is not a run's folder.") from None
    except UserError as error:
        raise RunError(f"{folder.config} cannot be used: {error}") from error


def save_about(folder: RunFolder, about: About) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(asdict(about), sort_keys=False, allow_unicode=True)
    write_atomically(folder.about, lambda path: path.write_text(text, encoding="utf-8"))


def read_about(folder: RunFolder) -> About:
    """What is told about the run; a run without about.yaml is named after its folder. Raises RunError."""
    if not folder.about.exists():
        return About(title=folder.path.name)
    try:
        data = dict(yaml.safe_load(folder.about.read_text(encoding="utf-8")))
        if unknown := set(data) - {f.name for f in fields(About)}:
            raise ValueError(f"unknown entry {sorted(unknown)[0]!r}")
        return About(**data | {"date": str(data.get("date", ""))})  # YAML reads a bare date as a date
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise RunError(f"{folder.about} cannot be used: {error}") from error
