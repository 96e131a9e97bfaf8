"""What two rooms of the page show before anybody asks: the panel of a recorded run, and a measurement of the gradient lab.

python -m benchmarks.rooms assets/recorded/mini-short
Writes assets/recorded/mini-short/must-not-move and assets/recorded/gradient-lab; once the painter is another, again.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path

from app.jobs.lab import POINTS_FILE, point_data
from app.jobs.store import LAB_FOLDER, PANEL_FOLDER
from fairness_core.about import About, machine
from fairness_core.evaluation.compare import compare
from fairness_core.gradient_lab.measure import LabSettings, compare_losses, compare_scales, paint_target
from fairness_core.metrics.must_not_move import load_panel
from fairness_core.models.loading import Model, load_model
from fairness_core.runs import RunFolder, read_config, save_about, save_comparisons
from fairness_core.settings.prompts import prompt_for
from fairness_core.strict_json import to_json

IMAGES, CONCEPT, TARGET = 16, "firefighter", "nurse"


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    run = RunFolder(args.run)
    model = load_model(read_config(run).model)
    record_panel(model, run, args.images)
    record_lab(model, run.path.parent / LAB_FOLDER, LabSettings(
        prompt_for(CONCEPT), prompt_for(TARGET), runs=args.lab_runs, steps=args.lab_steps,
        sampling_steps=model.entry.sampling_steps, guidance_scale=model.entry.guidance_scale))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a recorded run, with its adapter")
    parser.add_argument("--images", type=int, default=IMAGES, help="a prompt and model")
    parser.add_argument("--lab-runs", type=int, default=LabSettings.runs, help="of each gradient")
    parser.add_argument("--lab-steps", type=int, default=10, help="updates of each run, as the page measures")
    return parser.parse_args(arguments)


def record_panel(model: Model, run: RunFolder, images: int) -> None:
    """What must not move, painted with the run's adapter as the page does it."""
    config, prompts = read_config(run), [entry.prompt for entry in load_panel()]
    comparisons = list(compare(model, prompts, range(images), config.seed, run.adapter, sampling_steps=config.steps_shown,
                               guidance_scale=config.guidance_scale))
    save_comparisons(RunFolder(run.path / PANEL_FOLDER), comparisons, pictures=images)
    print(json.dumps({"recorded": PANEL_FOLDER, "prompts": len(comparisons), "images": images}), flush=True)


def record_lab(model: Model, folder: Path, settings: LabSettings) -> None:
    """Every point of both figures."""
    started, target = time.monotonic(), paint_target(model, settings)
    points = [*compare_scales(model, settings, target), *compare_losses(model, settings, target)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / POINTS_FILE).write_text("".join(to_json(point_data(point)) + "\n" for point in points), encoding="utf-8")
    save_about(RunFolder(folder), About(
        f"pictures of a {CONCEPT} pulled toward one of a {TARGET}, {settings.runs} runs of {settings.steps} updates a gradient",
        recorded=True, machine=machine(), date=date.today().isoformat(), seconds=time.monotonic() - started, model=model.name))
    print(json.dumps({"recorded": LAB_FOLDER, "points": len(points)}), flush=True)


if __name__ == "__main__":
    main()
