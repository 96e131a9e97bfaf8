"""The method's two figures (paper, section 4) on a model: losses and scales of the three gradients.

python -m benchmarks.gradient_lab --runs 3 --steps 20 --out folder
Writes folder/gradient_lab.json, loss.html and scale.html, and prints the two sentences they amount to.
"""

import argparse
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import torch

from fairness_core.gradient_lab.figures import loss_figure, scale_figure
from fairness_core.gradient_lab.measure import (LabSettings, LossPoint, ScalePoint, compare_losses, compare_scales,
                                                paint_target)
from fairness_core.gradient_lab.summary import Band, loss_bands, loss_sentence, scale_bands, scale_sentence
from fairness_core.models.loading import Model, load_model
from fairness_core.settings.prompts import prompt_for


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    model = load_model(args.model, device=torch.device(args.device) if args.device else None)
    settings = LabSettings(prompt_for(args.concept), prompt_for(args.target), args.runs, args.steps, args.images,
                           args.noises, args.sampling_steps or model.entry.sampling_steps, model.entry.guidance_scale,
                           args.learning_rate, args.rank, args.seed)
    run_lab(model, settings, args.out)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the data and the figures")
    parser.add_argument("--model", default="mini", help="a name in assets/models.yaml")
    parser.add_argument("--concept", default="firefighter", help="what is painted")
    parser.add_argument("--target", default="nurse", help="concept of the image it is pulled towards")
    parser.add_argument("--runs", type=int, default=LabSettings.runs, help="runs of the loss figure")
    parser.add_argument("--steps", type=int, default=LabSettings.steps, help="updates of each run")
    parser.add_argument("--images", type=int, default=LabSettings.images, help="images an update")
    parser.add_argument("--noises", type=int, default=LabSettings.noises, help="noises of the scale figure")
    parser.add_argument("--sampling-steps", type=int, default=0, help="0: the model's own")
    parser.add_argument("--learning-rate", type=float, default=LabSettings.learning_rate)
    parser.add_argument("--rank", type=int, default=LabSettings.lora_rank)
    parser.add_argument("--seed", type=int, default=LabSettings.seed)
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0: torch's choice")
    parser.add_argument("--device", default="", help="cpu or cuda; the fastest there is unless given")
    return parser.parse_args(arguments)


def run_lab(model: Model, settings: LabSettings, folder: Path) -> None:
    """Computes both figures and writes them below `folder`."""
    started = time.monotonic()
    target = paint_target(model, settings)
    losses = list(compare_losses(model, settings, target))
    halfway = time.monotonic()
    scales = list(compare_scales(model, settings, target))
    seconds = {"losses": round(halfway - started, 1), "scales": round(time.monotonic() - halfway, 1)}
    folder.mkdir(parents=True, exist_ok=True)
    data = as_data(model, settings, losses, scales, seconds)
    (folder / "gradient_lab.json").write_text(json.dumps(data, indent=1), encoding="utf-8")
    for name, figure in (("loss", loss_figure(losses)), ("scale", scale_figure(scales))):
        write_page(figure, folder / f"{name}.html")
    print(loss_sentence(losses), scale_sentence(scales), sep="\n")
    print(f"Took {seconds['losses']} s and {seconds['scales']} s.")


def as_data(model: Model, settings: LabSettings, losses: list[LossPoint], scales: list[ScalePoint],
            seconds: dict[str, float]) -> dict:
    """Everything as JSON; what is not finite becomes null."""
    return {
        "model": model.name, "settings": asdict(settings), "seconds": seconds,
        "loss": {"sentence": loss_sentence(losses), "bands": bands_as_data(loss_bands(losses)),
                 "points": [{**asdict(p), "loss": p.loss if math.isfinite(p.loss) else None} for p in losses]},
        "scale": {"sentence": scale_sentence(scales), "bands": bands_as_data(scale_bands(scales)),
                  "points": [{"run": p.run, **{g: plain(v) for g, v in p.scales.items()}} for p in scales]}}


def bands_as_data(bands: dict[str, Band]) -> dict[str, dict[str, list]]:
    return {name: {key: plain(values) for key, values in asdict(band).items()} for name, band in bands.items()}


def plain(values: np.ndarray) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values.tolist()]


def write_page(figure: go.Figure, path: Path) -> None:
    """A page that opens without a network."""
    path.write_text(figure.to_html(include_plotlyjs=True, full_html=True), encoding="utf-8")


if __name__ == "__main__":
    main()
