"""The steps of a finetune, one line each, newest first. Pure functions."""

from collections.abc import Sequence

from app.text import plain
from fairness_core.events import StepDone
from fairness_core.plots import concept_name

MOST_LINES = 100
HEADINGS = ("Step", "Prompt", "Loss", "Distance to target", "Faces", "Seconds")


def step_log(steps: Sequence[StepDone]) -> str:
    """The latest steps as an HTML table; empty before the first."""
    if not steps:
        return ""
    head = "".join(f'<th scope="col">{h}</th>' for h in HEADINGS)
    body = "".join(line(step) for step in reversed(steps[-MOST_LINES:]))
    return (f'<div class="scroll log" tabindex="0" role="group" aria-label="Steps"><table class="measures">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")


def line(step: StepDone) -> str:
    loss = f"skipped: {step.skipped}" if step.skipped else f"{step.losses.get('total', float('nan')):.3f}"
    distance = ", ".join(f"{name} {value:.2f}" for name, value in step.distance.items())
    cells = (concept_name(step.prompt), loss, distance, f"{step.faces_found} of {step.images}", f"{step.seconds:.1f}")
    return f'<tr><th scope="row">{step.step}</th>{"".join(f"<td>{plain(cell)}</td>" for cell in cells)}</tr>'
