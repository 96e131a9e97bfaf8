"""What is seen first: twelve pairs of the prompt that gained most and lacks least, and its figure in a sentence. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.html.fragment import fragment
from app.html.legend import chip, explanations
from app.html.pictures import data_uri
from fairness_core.metrics import distance_to_target, percent, wilson_interval
from fairness_core.plots import concept_name
from fairness_core.report.record import target_if_any
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import Attribute, AttributeClass, load_attributes
from fairness_core.settings.config import FinetuneConfig

PAIRS = 12
MOST_FACELESS = .25  # of the pictures shown


@dataclass(frozen=True)
class Share:
    """How many of n faces are perceived as a class."""

    count: int
    n: int

    def __str__(self) -> str:
        return percent(self.count / self.n) if self.n else "no face"

    @property
    def interval(self) -> str:
        low, high = wilson_interval(self.count, self.n)
        return f"{100 * low:.0f} to {percent(high)}"


@dataclass(frozen=True)
class Change:
    """The class of a prompt's pictures that grew most towards the target. target: its share in [0, 1], if there is one.

    moved: by how much the distance to the target shrank; without a target, the share of faces that changed class.
    missing: the distance that is left; 0 without a target.
    """

    comparison: PromptComparison
    attribute: Attribute
    index: int
    target: float | None
    moved: float
    missing: float

    @property
    def kind(self) -> AttributeClass:
        return self.attribute.classes[self.index]

    def share(self, images: ImageSet) -> Share:
        labels = images.labels(self.attribute.name)
        return Share(int((labels == self.index).sum()), len(labels))


def greatest_change(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> Change | None:
    """Of the prompts whose first pictures show faces, the one that gained most and lacks least; None without any.

    What is gained is what both all pictures and those shown first say: the lesser of the two.
    """
    changes = [change for c in comparisons if shows_faces(c) for change in changes_of(c, config)]
    return max(changes, key=lambda change: change.moved - change.missing, default=None)


def shows_faces(comparison: PromptComparison) -> bool:
    """Whether most of the pictures shown first have a face, before and after."""
    return all(images.shown and (~images.found[:min(PAIRS, images.shown)]).mean() <= MOST_FACELESS
               for images in (comparison.original, comparison.tuned))


def changes_of(comparison: PromptComparison, config: FinetuneConfig) -> list[Change]:
    """That of the target's first attribute, which people choose first; of each there is, where none is controlled."""
    target = target_if_any(config) and config.target(comparison.prompt)
    return [change_of(comparison, attribute, target.marginal(attribute.name) if target else None)
            for attribute in (target.attributes[:1] if target else load_attributes().values())]


def change_of(comparison: PromptComparison, attribute: Attribute, target: np.ndarray | None) -> Change:
    """target: of the attribute's classes [classes]."""
    first = min(PAIRS, comparison.original.shown)
    moved = min(distance_moved(comparison, attribute, target, part) for part in (slice(None), slice(first)))
    before, after = (frequencies(images, attribute) for images in (comparison.original, comparison.tuned))
    index = int((after - before).argmax())
    missing = 0.0 if target is None else distance_to_target(after, target)
    return Change(comparison, attribute, index, None if target is None else float(target[index]), moved, missing)


def distance_moved(comparison: PromptComparison, attribute: Attribute, target: np.ndarray | None, part: slice) -> float:
    before, after = (frequencies(images, attribute, part) for images in (comparison.original, comparison.tuned))
    if target is None:
        return distance_to_target(after, before)
    return distance_to_target(before, target) - distance_to_target(after, target)


def frequencies(images: ImageSet, attribute: Attribute, part: slice = slice(None)) -> np.ndarray:
    """Of each class [classes] among the faces of these images; zeros without a face."""
    labels = images.probabilities[attribute.name][part][images.found[part]].argmax(-1)
    return np.bincount(labels, minlength=len(attribute.classes)) / max(len(labels), 1)


# ---------------------------------------------------------------- HTML

def first_look(comparisons: Sequence[PromptComparison], config: FinetuneConfig, origin: str) -> str:
    """The pairs with their sentence. origin: whose pictures they are, as a note."""
    change = greatest_change(comparisons, config)
    if change is None:
        return fragment("first_look", change=None, origin=origin)
    one = change.comparison
    cards = [card(i, one.original.numbers[i], ("original", one.original), ("debiased", one.tuned), [change.attribute.name])
             for i in range(min(PAIRS, one.original.shown))]
    return fragment("first_look", change=change, concept=concept_name(one.prompt), before=change.share(one.original),
                    after=change.share(one.tuned), cards=cards, prompts=len(comparisons), origin=origin,
                    legend=explanations([change.attribute.name]))


def card(place: int, number: int, first: tuple[str, ImageSet], second: tuple[str, ImageSet],
         shown: Sequence[str]) -> dict[str, Any]:
    """One noise on both sides: picture, and the classes of the attributes shown."""
    return {"number": number, "sides": [side(name, images, place, shown) for name, images in (first, second)]}


def side(name: str, images: ImageSet, place: int, shown: Sequence[str]) -> dict[str, Any]:
    """Name, picture, and what is perceived in it: as chips (none where nobody looked), and in words."""
    picture = {"name": name, "picture": data_uri(images.images[place])}
    if not shown or not set(shown) <= set(images.probabilities):
        return picture | {"chips": None, "told": "not judged"}
    known = load_attributes()
    kinds = [known[a].classes[int(images.probabilities[a][place].argmax())] for a in shown] if images.found[place] else []
    return picture | {"chips": [chip(kind) for kind in kinds],
                      "told": ", ".join(kind.label for kind in kinds) or "no face found"}
