"""A run as one zip."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import yaml

from fairness_core.events import StepDone
from fairness_core.files import write_atomically
from fairness_core.report import metrics_table, model_card, to_csv, to_html
from fairness_core.report.model_names import public_name
from fairness_core.runs.comparisons import load_comparisons
from fairness_core.runs.events import read_events
from fairness_core.runs.folder import RunError, RunFolder, read_about, read_config
from fairness_core.settings.config import FinetuneConfig, to_plain


def contents(folder: RunFolder) -> dict[str, bytes]:
    """The files of a run's repository by name: adapter, settings, metrics as CSV, HTML report, model card.

    diffusers' load_lora_weights reads it. Raises RunError when there is no adapter.
    """
    if not folder.adapter.exists():
        raise RunError("This run has no adapter yet: finetune at least until the first save.")
    config, about = read_config(folder), read_about(folder)
    comparisons = load_comparisons(folder)
    steps = [event for event in read_events(folder) if isinstance(event, StepDone)]
    table = metrics_table(comparisons, config.target(), config.own_targets())
    texts = {"README.md": model_card(config, table, about), "metrics.csv": to_csv(table),
             "report.html": to_html(config, steps, comparisons, about), "config.yaml": published_settings(config)}
    return {folder.adapter.name: folder.adapter.read_bytes()} | {name: text.encode() for name, text in texts.items()}


def published_settings(config: FinetuneConfig) -> str:
    """The settings as YAML; of a model in someone's own folder, only the folder's name."""
    return yaml.safe_dump(to_plain(config) | {"model": public_name(config.model)}, sort_keys=False)


def bundle(folder: RunFolder) -> Path:
    """`contents` as one zip to hand on, beside the run. Raises RunError when there is no adapter."""
    parts = contents(folder)

    def write(path: Path) -> None:
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for name, part in parts.items():
                archive.writestr(name, part)

    write_atomically(folder.archive, write)
    return folder.archive
