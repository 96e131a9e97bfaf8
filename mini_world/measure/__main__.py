"""Measures the built-in model and writes its card, whole: README.md, figures.json and sheets/.

python -m mini_world.measure --portraits portraits.zip [--model build/mini] [--out build/mini] [--logs build]
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fairness_core.models.loading import Model, available_models
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.prompts import prompt_for
from mini_world.measure import classifiers, prompts, sheets, steps
from mini_world.measure.autoencoder import autoencoder_psnr
from mini_world.measure.bias import generated_counts, planted_errors, planted_shares
from mini_world.measure.card import write_card
from mini_world.measure.distance import distance_and_floor
from mini_world.measure.judging import Judged, joined, judge, paint_judged
from mini_world.measure.speed import load_timed, megabytes, seconds_by_steps
from mini_world.measure.told import told_figures
from mini_world.measure.training_logs import read_logs
from mini_world.portraits import Portraits, load_portraits, split

SHEET_COLUMNS, SHEET_ROWS, SIDE = 6, 11, 64
TOLD_CONCEPTS = 8  # each painted at several odds: all 44 would take twenty minutes


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mini_world.measure", description="Measures the built-in model.")
    parser.add_argument("--portraits", type=Path, required=True, help="portraits.zip")
    parser.add_argument("--model", type=Path, default=ASSETS / "mini", help="the model (default: assets/mini)")
    parser.add_argument("--out", type=Path, help="folder for the card, figures and sheets (default: the model's)")
    parser.add_argument("--logs", type=Path, nargs="*", default=[], help="folders with the training scripts' logs")
    parser.add_argument("--images", type=int, default=16, help="images a concept; everything else grows with it")
    args = parser.parse_args()
    if args.images < 2:
        parser.error("--images must be at least 2.")
    return args


def main() -> None:
    args = arguments()
    started = time.perf_counter()
    training = read_logs(args.logs)
    entry = next(e for e in available_models() if e.name == "mini")
    model, load_seconds = load_timed(replace(entry, folder=str(args.model.resolve())))
    out = args.out or args.model
    out.mkdir(parents=True, exist_ok=True)
    figures = {"threads": torch.get_num_threads(), "images_per_concept": args.images,
               "sampling_steps": entry.sampling_steps, "guidance_scale": entry.guidance_scale, "training": training,
               "load_seconds": load_seconds, "seconds_16_images": seconds_by_steps(model)}
    figures |= measure(model, load_portraits(args.portraits), args.images, out)
    figures |= {"megabytes": megabytes(args.model), "measuring_minutes": round((time.perf_counter() - started) / 60, 1)}
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    write_card(figures, out)
    print(f"{out / 'README.md'} written in {figures['measuring_minutes']} minutes")


def measure(model: Model, portraits: Portraits, images: int, out: Path) -> dict:
    """Every figure that needs no clock, and the contact sheets."""
    _, held_out = split(portraits)
    rendered = judge(model.critics, held_out.images.permute(0, 2, 3, 1).numpy())
    planted, step_count = planted_shares(portraits), model.entry.sampling_steps
    sets = paint_judged(model, {concept: prompt_for(concept) for concept in planted}, images, step_count)
    generated, names = joined(list(sets.values())), list(planted)
    counts = generated_counts(sets)
    figures = {
        "images": len(generated.found), "faces_found": prompts.share(generated.found), "planted": planted,
        "generated": counts, "planted_error": planted_errors(planted, counts),
        "concept_seen_in_generated": prompts.concept_accuracy(
            model, generated, [name for name, judged in sets.items() for _ in judged.found], names),
        "concept_seen_in_portraits": prompts.concept_accuracy(
            model, rendered, [row["concept"] for row in held_out.rows], names),
        "classifiers": classifiers.on_portraits(rendered, held_out),
        "agreement": classifiers.agreement(generated),
        "no_faces": classifiers.on_no_faces(model.critics, held_out, min(64, 6 * images, len(held_out))),
        "autoencoder_psnr": autoencoder_psnr(model, held_out)}
    # what prompts that name nobody were taught from: the rows with the planted bias
    like_captions = np.array([row["biased"] for row in held_out.rows]) & rendered.found
    figures["frechet"] = distance_and_floor(generated.features[generated.found], rendered.features[like_captions])
    figures["told"] = told_figures(model, names[::max(1, len(names) // TOLD_CONCEPTS)], images)
    save_concept_sheets(sets, rendered, generated, out)
    return figures | prompt_figures(model, rendered, held_out, names, images, out) | step_figures(
        model, names, images, rendered.features[like_captions], out)


def prompt_figures(model: Model, rendered: Judged, held_out: Portraits, names: list[str], images: int,
                   out: Path) -> dict:
    """Prompts that name who is shown, and prompts outside the templates."""
    step_count = model.entry.sampling_steps
    named, people = prompts.paint_named(model, images // 2, step_count), prompts.paint_people(model, step_count)
    outside = paint_judged(model, {p: p.prompt for p in prompts.OUTSIDE}, images, step_count)
    thresholds = prompts.detail_thresholds(model, rendered, held_out)
    sheets.save(sheets.labelled_rows({" ".join(who): judged.images for who, judged in people.items()}), out, "people")
    sheets.save(sheets.labelled_rows({p.prompt: judged.images[:SHEET_COLUMNS] for p, judged in outside.items()}),
                out, "outside")
    one_a_concept = slice(None, None, images // 2)
    sheets.save(sheets.labelled_rows({name: judged.images[one_a_concept] for (_, name), judged in named.items()}),
                out, "named")
    return {"named": prompts.named_agreement(named), "people": prompts.people_agreement(people), "details": thresholds,
            "outside": {p.prompt: prompts.outside_figures(model, p, judged, names, thresholds)
                        for p, judged in outside.items()}}


def step_figures(model: Model, names: list[str], images: int, rendered: np.ndarray, out: Path) -> dict:
    by_steps = steps.paint_at_steps(model, names[::2], max(1, images // 8))
    sheets.save(sheets.labelled_rows({f"{count} steps": sheets.spread(judged.images, 8)
                                      for count, judged in by_steps.items()}), out, "steps")
    return {"steps": steps.compare_steps(by_steps, rendered)}


def save_concept_sheets(sets: dict[str, Judged], rendered: Judged, generated: Judged, out: Path) -> None:
    rows = [(concept, judged.images[:SHEET_COLUMNS]) for concept, judged in sets.items()]
    for i in range(0, len(rows), SHEET_ROWS):
        sheets.save(sheets.labelled_rows(dict(rows[i:i + SHEET_ROWS])), out, f"concepts_{i // SHEET_ROWS + 1}")
    sheets.save(sheets.side_by_side(sheets.spread(rendered.images, SIDE), sheets.spread(generated.images, SIDE)), out,
                "rendered_and_generated")


if __name__ == "__main__":
    main()
