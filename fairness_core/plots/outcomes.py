"""Every picture accounted for: the classes, and beside them the faces the classifier is unsure of and the faceless."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from fairness_core.metrics import percent
from fairness_core.plots.distributions import WORDS, WORDS_COLOUR, class_bars, intervals, sides
from fairness_core.plots.style import CLEAR, TEXT, literal
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import Attribute

SURE = 0.7  # a face whose likeliest class has less than this is called unsure
EXTRA = ("Unsure", "No face")


def outcome_bars(comparisons: Sequence[PromptComparison], attribute: Attribute,
                 target_marginal: np.ndarray | None = None) -> go.Figure:
    """`class_bars`, and two bars of their own behind a gap: unsure (of the faces) and no face (of the images).

    Unsure faces count in the classes too, by their likeliest one, as in every other figure.
    """
    figure = class_bars(comparisons, attribute, target_marginal)
    if not comparisons:
        return figure
    classes = len(attribute.classes)
    places = classes + 0.5 + np.arange(len(EXTRA))
    for name, sets, offset, width in sides(comparisons):
        add_extra(figure, sets, attribute.name, places + offset, name, width)
    figure.add_vline(x=classes - 0.25, line={"color": TEXT, "width": 1, "dash": "dot"})
    figure.update_xaxes(tickvals=[*range(classes), *places],
                        ticktext=[*(literal(c.label) for c in attribute.classes), *EXTRA])
    return figure.update_layout(title={"subtitle": {
        "text": f"95 % intervals · unsure: likeliest class below {percent(SURE)}"}})


def add_extra(figure: go.Figure, image_sets: Sequence[ImageSet], attribute: str, places: np.ndarray, name: str,
              width: float) -> None:
    counts = [(n, total) for n, total in (unsure(image_sets, attribute), faceless(image_sets))]
    shown = [(place, *pair) for place, pair in zip(places, counts) if pair[1]]
    if not shown:
        return
    values = np.array([100 * n / total for _, n, total in shown])
    low, high = intervals([(n, total) for _, n, total in shown])
    filled, line = name == "after", WORDS_COLOUR if name == WORDS else TEXT
    figure.add_bar(
        x=[place for place, _, _ in shown], y=values, width=width, name=name, showlegend=False, textposition="none",
        text=[f"{name} {percent(n / total)}, {n} of {total}" for _, n, total in shown], hovertemplate="%{text}<extra></extra>",
        marker={"color": TEXT if filled else CLEAR, "line": {"color": line, "width": 1.5},
                "pattern": {"shape": "." if filled else "", "size": 7, "solidity": 0.25}},
        error_y={"type": "data", "symmetric": False, "array": high - values, "arrayminus": values - low,
                 "color": TEXT, "thickness": 1.6, "width": 4})


def unsure(image_sets: Sequence[ImageSet], attribute: str) -> tuple[int, int]:
    """How many faces have no class with a probability of at least SURE, and how many faces there are."""
    likeliest = np.concatenate([s.probabilities[attribute][s.found].max(-1) for s in image_sets])
    return int((likeliest < SURE).sum()), len(likeliest)


def faceless(image_sets: Sequence[ImageSet]) -> tuple[int, int]:
    """How many images have no face, and how many images there are."""
    found = np.concatenate([s.found for s in image_sets])
    return int((~found).sum()), len(found)
