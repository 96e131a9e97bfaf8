"""What is going to be learned, in a sentence that follows what is chosen. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.html.fragment import fragment
from app.requests.settings import MOST_STEPS
from fairness_core.settings.attributes import load_attributes


def chosen_words(attributes: Sequence[str], prompts: int, steps: int, preset: Any, lengths: Mapping[str, Any]) -> str:
    """ "Perceived gender on 32 prompts, each drawn about 8 times." and what to choose where the length has not been tried
    with so many attributes. preset: of a length; lengths: all of them, by name, shortest first.
    """
    if not attributes or not prompts:
        return what_words(attributes, prompts)
    drawn = steps * preset.config.prompts_per_step
    often = (f", each drawn about {drawn / prompts:.0f} times" if drawn >= 1.5 * prompts else
             "" if drawn >= prompts else f", of which only about {drawn} are drawn: choose fewer, or more steps")
    return f"{what_words(attributes, prompts).rstrip('.')}{often}.{advice(len(attributes), preset, lengths)}"


def what_words(attributes: Sequence[str], prompts: int) -> str:
    """ "Perceived gender and race on 2 prompts." """
    if not attributes:
        return "No attribute is controlled: switch on at least one."
    if not prompts:
        return "No prompt is chosen: choose at least one."
    first, *others = (load_attributes()[name].label for name in attributes)
    labels = [first, *(label.removeprefix("Perceived ") for label in others)]
    listed = " and ".join(filter(None, (", ".join(labels[:-1]), labels[-1])))
    return f"{listed} on {prompts} prompt{'' if prompts == 1 else 's'}."


def advice(attributes: int, preset: Any, lengths: Mapping[str, Any]) -> str:
    """Empty where the length was tried with as many attributes, or nothing is known about that."""
    tried = tried_with(preset)
    if not tried or attributes <= tried:
        return ""
    better = next((length.label for length in lengths.values() if tried_with(length) >= attributes), "")
    instead = f"choose {better}, or add steps afterwards" if better else "expect less of each"
    return f" {preset.label} was tried with {tried} at a time; for {attributes}, {instead}."


def tried_with(preset: Any) -> int:
    """How many attributes the preset's own target controls."""
    return len(preset.config.joint_attributes or preset.config.marginals)


def steps_of(typed: Any) -> int | None:
    """The steps typed, where they can be run."""
    try:
        steps = int(typed)
    except (TypeError, ValueError, OverflowError):
        return None
    return steps if 1 <= steps <= MOST_STEPS else None


def out_of_limits() -> str:
    return fragment("wrong", text=f"Steps: choose a whole number from 1 to {MOST_STEPS:,}.", role="")
