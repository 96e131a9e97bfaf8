"""A run as one zip."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from fairness_core.events import StepDone
from fairness_core.files import write_atomically
from fairness_core.report import metrics_table, model_card, to_csv, to_html
from fairness_core.runs.comparisons import load_comparisons
from fairness_core.runs.events import read_events
from fairness_core.runs.folder import RunError, RunFolder, read_about, read_config


def bundle(folder: RunFolder) -> Path:
    """One zip to publish or hand on, beside the run: adapter, settings, metrics as CSV, HTML report, model card.

    Unpacked, it is a repository that diffusers' load_lora_weights reads. Raises RunError when there is no adapter.
    """
    if not folder.adapter.exists():
        raise RunError("This run has no adapter yet: finetune at least until the first save.")
    config, about = read_config(folder), read_about(folder)
    comparisons = load_comparisons(folder)
    table = metrics_table(comparisons, config.target(), config.own_targets())
    texts = {
        "README.md": model_card(config, table, about),
        "metrics.csv": to_csv(table),
        "report.html": to_html(config, [e for e in read_events(folder) if isinstance(e, StepDone)], comparisons, about),
        "config.yaml": folder.config.read_text(),
    }

    def write(path: Path) -> None:
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            archive.write(folder.adapter, folder.adapter.name)
            for name, text in texts.items():
                archive.writestr(name, text)

    path = folder.path / f"{folder.path.name}.zip"
    write_atomically(path, write)
    return path
