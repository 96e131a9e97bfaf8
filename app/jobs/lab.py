"""The gradient lab as a job: its points are written as they come, one line of JSON each."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.jobs.files import Job, JobRequest
from fairness_core.gradient_lab.points import LabSettings, LossPoint, ScalePoint
from fairness_core.strict_json import to_json, with_nan

LAB, POINTS_FILE = "lab", "lab.jsonl"
Point = LossPoint | ScalePoint


def lab_settings(request: JobRequest) -> LabSettings:
    """compare_prompts: the prompt that is tuned, and that of the target image; images: runs of the loss figure."""
    prompt, target_prompt = request.compare_prompts
    config = request.config
    return LabSettings(prompt, target_prompt, runs=request.images, steps=config.steps, sampling_steps=config.sampling_steps,
                       guidance_scale=config.guidance_scale, learning_rate=config.learning_rate,
                       lora_rank=config.lora_rank, seed=request.seed)


def run_lab(lab: Callable[..., Iterator[Point]], model: Any, job: Job, should_stop: Callable[[], bool]) -> None:
    """Writes every point to the job's folder; stops after the current one."""
    path = job.folder.path / POINTS_FILE
    path.unlink(missing_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for point in lab(model, lab_settings(job.request), should_stop):
            file.write(to_json(point_data(point)) + "\n")
            file.flush()


def point_data(point: Point) -> dict:
    if isinstance(point, LossPoint):
        return asdict(point)
    return {"run": point.run, "timesteps": np.asarray(point.timesteps).tolist(),
            "scales": {name: np.asarray(values).tolist() for name, values in point.scales.items()}}


def load_points(folder: Path) -> tuple[list[LossPoint], list[ScalePoint]]:
    """What the job has measured so far; a line that is still being written is left out."""
    path = folder / POINTS_FILE
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    data = [with_nan(json.loads(line)) for line in lines]
    losses = [LossPoint(**d) for d in data if "loss" in d]
    scales = [ScalePoint(d["run"], np.array(d["timesteps"]), {n: np.array(v) for n, v in d["scales"].items()})
              for d in data if "scales" in d]
    return losses, scales


def expected_points(settings: LabSettings) -> int:
    return settings.noises + 3 * settings.runs * (settings.steps + 1)


def progress_words(points: int, settings: LabSettings) -> str:
    return f"{points} of {expected_points(settings)} measurements done."
