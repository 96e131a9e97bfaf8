"""The steps of a finetune, one line each, newest first. Pure functions."""

from collections.abc import Sequence

from app.html.fragment import fragment
from fairness_core.events import StepDone
from fairness_core.plots import concept_name

MOST_LINES = 100
HEADINGS = ("Step", "Prompt", "Loss", "Distance to target", "Faces", "Seconds")


def step_log(steps: Sequence[StepDone]) -> str:
    """The latest steps as an HTML table; empty before the first."""
    return fragment("step_log", headings=HEADINGS, steps=[(step.step, cells(step)) for step in reversed(steps[-MOST_LINES:])])


def cells(step: StepDone) -> tuple[str, ...]:
    """What is told of a step, under each heading but the first."""
    loss = f"skipped: {step.skipped}" if step.skipped else f"{step.losses.get('total', float('nan')):.3f}"
    distance = ", ".join(f"{name} {value:.2f}" for name, value in step.distance.items())
    return concept_name(step.prompt), loss, distance, f"{step.faces_found} of {step.images}", f"{step.seconds:.1f}"
