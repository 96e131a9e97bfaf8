"""Runs presets on the built-in model and measures them on concepts they were not finetuned on.

python -m benchmarks.preset mini-short                              (finetune, then 40 images a held-out prompt)
python -m benchmarks.preset mini-short mini-race --images 60        (the originals are painted once for all)
python -m benchmarks.preset mini-short --trained-prompts 6 --set 'marginals={age: {young: 0.6, old: 0.4}}'
python -m benchmarks.preset mini-short mini-medium --record assets/recorded --images 60 --trained-prompts 6
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from fairness_core.about import About, machine
from fairness_core.adapters.files import halve_precision
from fairness_core.commands.common import changed
from fairness_core.evaluation.baseline import baselines
from fairness_core.evaluation.compare import compare
from fairness_core.evaluation.originals import Originals
from fairness_core.metrics import MeanOverPrompts, summarise
from fairness_core.models.loading import Model, load_model
from fairness_core.results import PromptComparison
from fairness_core.runs import RunFolder, append_event, save_about, save_comparisons
from fairness_core.runs.light import LIGHT_WEBP_QUALITY
from fairness_core.settings.attributes import ASSETS, load_attributes
from fairness_core.settings.presets import Preset, load_preset
from fairness_core.settings.prompts import concept_of, load_concepts, prompt_for
from fairness_core.training.checkpoints import forget_checkpoint
from fairness_core.training.finetune import finetune

RECORDED_PICTURES = 24  # of a prompt and side: with figures of 60 images, a run has at most 3 MB


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("presets", nargs="+", help="names in assets/presets")
    parser.add_argument("--images", type=int, default=40, help="images a prompt")
    parser.add_argument("--trained-prompts", type=int, default=0, help="also measure this many finetuned prompts")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings other than the presets' own")
    parser.add_argument("--record", type=Path, help="keep the runs in this folder, as the page shows recorded runs")
    args = parser.parse_args()
    model, originals = load_model("mini"), Originals()
    for name in args.presets:
        preset = load_preset(ASSETS / "presets" / f"{name}.yaml")
        preset = replace(preset, config=changed(preset.config, args.set))
        with tempfile.TemporaryDirectory() as scratch:
            measure_preset(model, preset, RunFolder((args.record or Path(scratch)) / name), args, originals)


def measure_preset(model: Model, preset: Preset, folder: RunFolder, args: argparse.Namespace, originals: Originals) -> None:
    """Finetunes, compares, prints one JSON record a line, and keeps the run, light, where it is asked for."""
    seconds = run_preset(model, preset, folder)
    if args.record:
        halve_precision(folder.adapter)  # before it is measured: the figures are those of the file that is kept
    prompts = list(preset.config.prompts[:args.trained_prompts]) + [prompt_for(c) for c in load_concepts().held_out]
    comparisons = measure(model, preset, folder, prompts, args.images, originals)
    if args.record:
        comparisons = with_baselines(model, preset, comparisons, args.images, originals)
    for record in report(preset, comparisons):
        print(json.dumps(record), flush=True)
    if args.record:
        forget_checkpoint(folder.path)  # a recorded run is looked at, never continued
        save_comparisons(folder, comparisons, pictures=RECORDED_PICTURES)
        save_about(folder, About(
            title=preset.label, recorded=True, machine=machine(), date=date.today().isoformat(), seconds=seconds,
            note=preset.description, model=model.label))
        print(json.dumps({"recorded": preset.name, "megabytes": megabytes(folder.path)}), flush=True)


def megabytes(folder: Path) -> float:
    """Of all files in a folder, in millions of bytes; a recorded run should have at most 3."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 2)


def run_preset(model: Model, preset: Preset, folder: RunFolder) -> float:
    """Finetunes, appending every event to the folder; returns the seconds it took."""
    started = time.monotonic()
    for event in finetune(model, preset.config, folder.path):
        append_event(folder, event, film_quality=LIGHT_WEBP_QUALITY)
    seconds = time.monotonic() - started
    print(json.dumps({"preset": preset.name, "steps": preset.config.steps, "seconds": round(seconds, 1),
                      "seconds_per_step": round(seconds / preset.config.steps, 2)}), flush=True)
    return seconds


def measure(model: Model, preset: Preset, folder: RunFolder, prompts: list[str], images: int,
            originals: Originals) -> list[PromptComparison]:
    config = preset.config
    return list(compare(model, prompts, range(images), config.seed, folder.adapter, sampling_steps=config.steps_shown,
                        guidance_scale=config.guidance_scale, finetuned_on=config.prompts, originals=originals))


def with_baselines(model: Model, preset: Preset, comparisons: list[PromptComparison], images: int,
                   originals: Originals) -> list[PromptComparison]:
    """And by words in the prompt."""
    config = preset.config
    words = dict(baselines(model, [c.prompt for c in comparisons], range(images), config.seed, config.target,
                           sampling_steps=config.steps_shown, guidance_scale=config.guidance_scale, originals=originals))
    return [replace(c, baseline=words[c.prompt]) for c in comparisons]


def report(preset: Preset, comparisons: list[PromptComparison]) -> list[dict]:
    """All held-out prompts, those of each kind of concept, the finetuned ones: a record an attribute, one for what
    must not change."""
    held_out = [c for c in comparisons if c.held_out]
    groups = {"held out": held_out, "finetuned on": [c for c in comparisons if not c.held_out]}
    for kind, concepts in load_concepts().groups.items():
        groups[f"held out, {kind}"] = [c for c in held_out if concept_of(c.prompt) in concepts.held_out]
    records = []
    for group, chosen in groups.items():
        if chosen:
            records += [{"prompts": group} | record for record in attribute_records(preset, chosen)]
            records.append({"prompts": group} | preservation(chosen))
    return records


def attribute_records(preset: Preset, comparisons: list[PromptComparison]) -> list[dict]:
    """Paper's bias, distance to the target and frequencies of every attribute, before and after, with intervals."""
    target, records = preset.config.target(), []
    for name in load_attributes():
        controlled = name in target.names
        ratios = {c.prompt: preset.config.target(c.prompt).marginal(name) for c in comparisons} if controlled else None
        record = {"attribute": name, "controlled": controlled, "prompt_count": len(comparisons),
                  "images_a_prompt": len(comparisons[0].original.numbers)}
        for side in ("original", "tuned"):
            summary = summarise([getattr(c, side) for c in comparisons], name, ratios)
            record |= {"floor": round(summary.bias.floor, 3), f"bias_{side}": with_interval(summary.bias),
                       f"frequencies_{side}": (summary.counts.sum(0) / summary.counts.sum()).round(3).tolist()}
            if summary.distance:
                record[f"distance_{side}"] = with_interval(summary.distance)
        records.append(record)
    return records


def with_interval(measure: MeanOverPrompts) -> list[float]:
    """[mean, low, high]"""
    return [round(value, 3) for value in (measure.mean, measure.low, measure.high)]


def preservation(comparisons: list[PromptComparison]) -> dict[str, float]:
    """Means over prompts of what should stay: prompt fit, likeness to the original, faces."""
    values = {"clip_text_before": [c.clip_text_original for c in comparisons],
              "clip_text_after": [c.clip_text_tuned for c in comparisons],
              "clip_image": [c.clip_image for c in comparisons], "dino": [c.dino for c in comparisons],
              "faces_found_before": [c.original.found for c in comparisons],
              "faces_found_after": [c.tuned.found for c in comparisons]}
    return {name: round(float(np.mean([v.mean() for v in per_prompt])), 3) for name, per_prompt in values.items()}


if __name__ == "__main__":
    main()
