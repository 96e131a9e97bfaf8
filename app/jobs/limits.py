"""What a shared Space lets one visitor ask for; nothing is limited on a machine of one's own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from app.jobs.files import AUDIT, FINETUNE, JobError, JobRequest
from app.jobs.lab import LAB, expected_points, lab_settings
from fairness_core.errors import UserError
from fairness_core.models.registry import available_models
from fairness_core.settings.attributes import ASSETS

OWN = "Duplicate the Space, or run the app on your own machine, and nothing is limited."


class LimitError(JobError):
    """More than a visitor of a shared Space may ask for; the message says what is allowed."""


@dataclass(frozen=True)
class Limits:
    """Rows of assets/limits.yaml, which says what each of them means. All positive."""

    minutes: int
    steps: int
    images: int
    jobs: int
    queue: int
    sampling_steps: int
    images_per_prompt: int
    upload_megabytes: int


@dataclass(frozen=True)
class Cost:
    """What a job asks of the machine. steps: of finetuning; images: painted, before, after and by words in the prompt, or
    judged."""

    steps: int = 0
    images: int = 0


def own_limits(environment: Mapping[str, str] = os.environ) -> Limits | None:
    """The limits of this server: those of the file on a Space or where FAIRNESS_SHARED=1, else none.

    Raises UserError for another value of FAIRNESS_SHARED.
    """
    shared = environment.get("FAIRNESS_SHARED", "1" if environment.get("SPACE_ID") else "0")
    if shared not in ("0", "1"):
        raise UserError(f"FAIRNESS_SHARED is {shared!r}: set it to 1 (limits for each visitor) or 0 (none).")
    return Limits(**yaml.safe_load((ASSETS / "limits.yaml").read_text(encoding="utf-8"))) if shared == "1" else None


def cost(request: JobRequest, done: int = 0) -> Cost:
    """What a job will ask for. done: the steps of a continued finetune that are behind it."""
    config = request.config
    if request.kind == AUDIT:
        return Cost(images=request.images)
    if request.kind == LAB:
        return Cost(images=expected_points(lab_settings(request)))
    ways = 2 + request.baseline + len(request.strengths)
    painted = ways * len(request.compare_prompts) * request.images
    steps = config.steps - done if request.kind == FINETUNE else 0
    return Cost(steps, painted + steps * config.prompts_per_step * config.images_per_prompt)


def check_sizes(limits: Limits, request: JobRequest) -> None:
    """Raises LimitError for a model of the visitor's own, or single images or steps too large for a shared machine."""
    config = request.config
    if request.kind == AUDIT:
        return  # no model paints
    if config.model not in (known := [entry.name for entry in available_models()]):
        raise LimitError(f"{config.model!r} is no model of this shared Space: choose among {', '.join(known)}. {OWN}")
    for name, asked, most in (
            ("sampling steps", max(config.sampling_steps, config.steps_shown), limits.sampling_steps),
            ("images per prompt", config.images_per_prompt, limits.images_per_prompt)):
        if asked > most:
            raise LimitError(f"{asked} {name} are too many for a shared Space, which allows {most}. {OWN}")
