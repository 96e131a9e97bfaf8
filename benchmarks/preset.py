"""Runs a preset on the built-in model and measures it on concepts it was not finetuned on.

python -m benchmarks.preset mini-short                 (finetune, then 40 images a held-out prompt)
python -m benchmarks.preset mini-short --record assets/recorded/gender-parity --images 24
"""

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import date
from pathlib import Path

import torch

from fairness_core.attributes import ASSETS, load_attributes
from fairness_core.evaluation import compare
from fairness_core.metrics import summarise
from fairness_core.models import Model, load_model
from fairness_core.presets import Preset, load_preset
from fairness_core.prompts import load_concepts, prompt_for
from fairness_core.results import PromptComparison
from fairness_core.runs import About, RunFolder, append_event, save_about, save_comparisons
from fairness_core.training import finetune


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("preset", help="a name in assets/presets")
    parser.add_argument("--images", type=int, default=40, help="images a prompt")
    parser.add_argument("--trained-prompts", type=int, default=0, help="also measure this many finetuned prompts")
    parser.add_argument("--record", type=Path, help="keep the run in this folder, as the page shows recorded runs")
    args = parser.parse_args()
    preset, model = load_preset(ASSETS / "presets" / f"{args.preset}.yaml"), load_model("mini")
    with tempfile.TemporaryDirectory() as scratch:
        folder = RunFolder(args.record or Path(scratch))
        seconds = run_preset(model, preset, folder)
        prompts = [prompt_for(c) for c in load_concepts().held_out] + list(preset.config.prompts[:args.trained_prompts])
        comparisons = measure(model, preset, folder, prompts, args.images)
        for record in report(preset, comparisons):
            print(json.dumps(record))
        if args.record:
            save_comparisons(folder, comparisons)
            save_about(folder, About(
                title=preset.label, recorded=True, machine=machine(), date=date.today().isoformat(), seconds=seconds,
                note=preset.description, model=model.label))


def machine() -> str:
    return f"{os.cpu_count()} CPU cores ({platform.machine()}), no GPU" if not torch.cuda.is_available() else torch.cuda.get_device_name()


def run_preset(model: Model, preset: Preset, folder: RunFolder) -> float:
    """Finetunes, appending every event to the folder; returns the seconds it took."""
    started = time.monotonic()
    for event in finetune(model, preset.config, folder.path):
        append_event(folder, event)
    seconds = time.monotonic() - started
    print(json.dumps({"preset": preset.name, "steps": preset.config.steps, "seconds": round(seconds, 1),
                      "seconds_per_step": round(seconds / preset.config.steps, 2)}), flush=True)
    return seconds


def measure(model: Model, preset: Preset, folder: RunFolder, prompts: list[str], images: int) -> list[PromptComparison]:
    config = preset.config
    return list(compare(model, prompts, range(images), config.seed, folder.adapter, sampling_steps=config.sampling_steps,
                        guidance_scale=config.guidance_scale, finetuned_on=config.prompts))


def report(preset: Preset, comparisons: list[PromptComparison]) -> list[dict]:
    """One record an attribute (paper's bias, distance to the target, frequencies), one for what must not change."""
    target, records = preset.config.target(), []
    held_out = [c for c in comparisons if c.held_out]
    for name in load_attributes():
        marginal = target.marginal(name) if name in target.names else None
        sides = {side: summarise([getattr(c, side) for c in held_out], name, marginal) for side in ("original", "tuned")}
        record = {"attribute": name, "controlled": name in target.names, "images_a_prompt": len(held_out[0].original.numbers),
                  "prompts": len(held_out), "floor": round(sides["tuned"].bias.floor, 3)}
        for side, summary in sides.items():
            record[f"bias_{side}"] = [round(v, 3) for v in (summary.bias.mean, summary.bias.low, summary.bias.high)]
            record[f"frequencies_{side}"] = (summary.counts.sum(0) / summary.counts.sum()).round(3).tolist()
            if summary.distance:
                record[f"distance_{side}"] = [round(v, 3) for v in (summary.distance.mean, summary.distance.low, summary.distance.high)]
        records.append(record)
    mean = lambda values: round(float(sum(v.mean() for v in values) / len(values)), 3)
    records.append({"clip_text_before": mean([c.clip_text_original for c in held_out]),
                    "clip_text_after": mean([c.clip_text_tuned for c in held_out]),
                    "clip_image": mean([c.clip_image for c in held_out]), "dino": mean([c.dino for c in held_out]),
                    "faces_found_before": mean([c.original.found for c in held_out]),
                    "faces_found_after": mean([c.tuned.found for c in held_out])})
    return records


if __name__ == "__main__":
    main()
