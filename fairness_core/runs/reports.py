"""The report of a run's folder: HTML to read, CSV and JSON to count on."""

import re
from pathlib import Path

from fairness_core.events import StepDone
from fairness_core.files import write_atomically
from fairness_core.report import metrics_table, results_record, sweep_table, to_csv, to_html
from fairness_core.results import PromptComparison
from fairness_core.runs.comparisons import load_comparisons
from fairness_core.runs.events import read_events
from fairness_core.runs.folder import RunFolder, read_about, read_config
from fairness_core.strict_json import to_json

STRENGTH, NUMBER = "strength-", re.compile(r"\d+(\.\d+)?")


def write_report(folder: RunFolder, out: Path | None = None) -> list[Path]:
    """Writes report.html, metrics.csv and metrics.json, and guidance.csv where several guidance scales were measured.

    out: another folder than the run's, which is there. Returns their paths. Raises RunError for a folder that holds no run, or a damaged one.
    """
    config, comparisons, sweep = read_config(folder), load_comparisons(folder), guidance_sweep(folder)
    targets = config.target(), config.own_targets()
    steps = [event for event in read_events(folder) if isinstance(event, StepDone)]
    texts = {"report.html": to_html(config, steps, comparisons, read_about(folder), sweep),
             "metrics.csv": to_csv(metrics_table(comparisons, *targets)),
             "metrics.json": to_json(results_record(comparisons, config), indent=1)}
    if len(sweep) > 1:
        texts["guidance.csv"] = to_csv(sweep_table(sweep, *targets))
    out = out or folder.path
    for name, text in texts.items():
        write_atomically(out / name, lambda part: part.write_text(text, encoding="utf-8"))
    return [out / name for name in texts]


def guidance_folder(folder: RunFolder, scale: float) -> RunFolder:
    """Where the comparisons at another guidance scale than the run's own lie; a run's folder itself."""
    return RunFolder(folder.path / f"guidance-{scale:g}")


def strength_folder(folder: RunFolder, strength: float) -> RunFolder:
    """Where the comparisons at another strength of the adapter than the run's own lie; nothing but comparisons."""
    return RunFolder(folder.path / f"{STRENGTH}{strength:g}")


def strength_sweep(folder: RunFolder) -> dict[float, list[PromptComparison]]:
    """The comparisons at other strengths than the run's own, in order. Raises RunError for damaged ones."""
    names = [path.name for path in folder.path.glob(f"{STRENGTH}*") if NUMBER.fullmatch(path.name.removeprefix(STRENGTH))]
    strengths = sorted(float(name.removeprefix(STRENGTH)) for name in names)
    found = {strength: load_comparisons(strength_folder(folder, strength)) for strength in strengths}
    return {strength: comparisons for strength, comparisons in found.items() if comparisons}


def guidance_sweep(folder: RunFolder) -> dict[float, list[PromptComparison]]:
    """The comparisons at every guidance scale that was measured, the run's own among them, in order."""
    folders = [folder, *(RunFolder(path) for path in folder.path.glob("guidance-*"))]
    found = {read_config(one).guidance_scale: load_comparisons(one) for one in folders}
    return {scale: found[scale] for scale in sorted(found) if found[scale]}
