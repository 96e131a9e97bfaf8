"""What colours, patterns and letters stand for, named wherever they are seen. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.html.fragment import fragment
from fairness_core.annotate import short_labels
from fairness_core.settings.attributes import Attribute, AttributeClass, load_attributes

PATTERN_WORDS = {"/": "striped", "x": "crossed", ".": "dotted"}


@dataclass(frozen=True)
class Swatch:
    """How a class is drawn. pattern: of plotly's names in a word, which is its CSS class too; empty: plain."""

    letter: str
    label: str
    colour: str
    pattern: str
    stands_for: str


def swatches(attribute: Attribute) -> list[Swatch]:
    return [Swatch(letter, c.label, c.colour, PATTERN_WORDS.get(c.pattern, ""), c.description)
            for letter, c in zip(short_labels(attribute), attribute.classes, strict=True)]


def chip(one: AttributeClass) -> dict[str, str]:
    """A class under a picture: its label beside its colour and pattern."""
    return {"label": one.label, "colour": one.colour, "pattern": PATTERN_WORDS.get(one.pattern, "")}


def explanations(shown: Sequence[str]) -> str:
    """The legend of those attributes alone whose labels have to be explained; chips name the others by themselves."""
    known = load_attributes()
    return legend([name for name in shown if any(c.description for c in known[name].classes)])


def legend(shown: Sequence[str]) -> str:
    """Colour, pattern and letter of every class of these attributes; empty without any."""
    known = load_attributes()
    return fragment("legend", attributes=[(known[name].label, swatches(known[name])) for name in shown])
