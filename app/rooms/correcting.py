"""A visitor sees what the classifier got wrong: what can be said of a face, and corrections in words."""

from collections.abc import Sequence

from app.html.fragment import fragment
from fairness_core.plots import concept_name
from fairness_core.runs.corrections import Correction, CorrectionError
from fairness_core.settings.attributes import load_attributes

NO_FACE = "no face"
SIDE_WORDS = {"original": "original", "tuned": "debiased"}


def choices() -> list[tuple[str, str]]:
    """(shown, value) of what can be seen in a face: every class of every attribute, or that there is none."""
    classes = [(f"{a.label}: {c.label}", f"{a.name}:{c.name}") for a in load_attributes().values() for c in a.classes]
    return [*classes, ("No face in this picture", NO_FACE)]


def correction(prompt: str, side: str, number: int, seen: str) -> Correction:
    """seen: a value of `choices`. Raises CorrectionError for anything else."""
    if seen not in dict(choices()).values():
        raise CorrectionError("Choose what you see in the picture first.")
    attribute, _, class_name = ("", "", "") if seen == NO_FACE else seen.partition(":")
    return Correction(prompt, side, number, attribute, class_name)


def told(corrections: Sequence[Correction]) -> str:
    """Every correction as a line of HTML; empty without any."""
    known = load_attributes()

    def seen(one: Correction) -> str:
        if not one.attribute:
            return "no face"
        labels = {c.name: c.label for c in known[one.attribute].classes}
        return f"{known[one.attribute].label}: {labels[one.class_name]}"

    return fragment("corrections", corrections=[
        {"concept": concept_name(c.prompt), "side": SIDE_WORDS[c.side], "number": c.number, "seen": seen(c)}
        for c in corrections])
