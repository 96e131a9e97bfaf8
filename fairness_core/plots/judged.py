"""The same figures as of a comparison, for pictures made elsewhere: one side, for there is no before and after."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fairness_core.metrics import percent
from fairness_core.plots.distributions import (CELL_INK, DENSE_ROW_HEIGHT, MANY_ROWS, ROW_HEIGHT, add_bars,
                                               add_frequencies, add_target_line, add_target_marks, frequency,
                                               interval_text, intervals, share)
from fairness_core.plots.outcomes import EXTRA, SURE, faceless, unsure
from fairness_core.plots.style import PERCENT_TICKS, TEXT, concept_name, literal, message, style
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import Attribute

NAME = "pictures"
UNKNOWN = "Not perceived by this classifier"


def nothing_to_draw(image_sets: Sequence[ImageSet], attribute: Attribute) -> str:
    """Why there is nothing, or ""."""
    if not image_sets:
        return "Nothing judged yet"
    return "" if attribute.name in image_sets[0].probabilities else UNKNOWN


def share_plot(image_sets: Sequence[ImageSet], attribute: Attribute, class_name: str,
               target: float | Mapping[str, float] | None = None, by_name: bool = False) -> go.Figure:
    """One row a prompt: how often the class is perceived in its pictures, with 95 % intervals and the target.

    target: in [0, 1], or by prompt. by_name: in the order of names instead of shares. Raises ValueError for a class that
    the attribute has not.
    """
    if why := nothing_to_draw(image_sets, attribute):
        return message(why, attribute.label)
    index = attribute.class_names.index(class_name)
    cls = attribute.classes[index]
    rows = [(s.prompt, frequency(s, attribute, index)) for s in image_sets]
    rows.sort(key=(lambda row: row[0].lower()) if by_name else (lambda row: share(*row[1])), reverse=True)
    figure = go.Figure()
    add_frequencies(figure, [counts for _, counts in rows], 0.0, NAME, cls.colour, cls.colour, "diamond")
    height = 160 + len(rows) * (DENSE_ROW_HEIGHT if len(rows) > MANY_ROWS else ROW_HEIGHT)
    style(figure, f"{attribute.label}: {cls.label}", height, "95 % intervals", top=84)
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=[literal(concept_name(prompt)) for prompt, _ in rows],
                        range=[-0.6, len(rows) - 0.4], showgrid=False)
    figure.update_xaxes(range=[-3, 103], **PERCENT_TICKS)
    if isinstance(target, Mapping):
        add_target_marks(figure, [target[prompt] for prompt, _ in rows])
    elif target is not None:
        add_target_line(figure, target)
    return figure


def judged_bars(image_sets: Sequence[ImageSet], attribute: Attribute, target: np.ndarray | None = None) -> go.Figure:
    """Every class over all pictures, target [classes] as marks, and behind a gap the unsure faces and faceless pictures.

    Unsure faces count in the classes too, by their likeliest one, as in every other figure.
    """
    if why := nothing_to_draw(image_sets, attribute):
        return message(why, attribute.label)
    figure, places = go.Figure(), np.arange(len(attribute.classes))
    counts = np.array([[frequency(s, attribute, i) for i in places] for s in image_sets]).sum(0)
    if counts[0, 1]:
        add_bars(figure, attribute, counts, places.astype(float), NAME, 0.36)
    extra = len(places) + 0.5 + np.arange(len(EXTRA))
    add_extra(figure, [unsure(image_sets, attribute.name), faceless(image_sets)], extra)
    if target is not None:
        x = [v for i in places for v in (i - 0.3, i + 0.3, None)]
        y = [v for t in target for v in (100 * t, 100 * t, None)]
        figure.add_scatter(x=x, y=y, mode="lines", name="target", line={"color": TEXT, "width": 2.5, "dash": "dot"},
                           hovertemplate="target %{y:.3g} %<extra></extra>")
    style(figure, f"{attribute.label}, all pictures", 340,
          f"95 % intervals · unsure: likeliest class below {percent(SURE)}", top=64)
    figure.add_vline(x=len(places) - 0.25, line={"color": TEXT, "width": 1, "dash": "dot"})
    figure.update_xaxes(tickvals=[*places, *extra], ticktext=[*(literal(c.label) for c in attribute.classes), *EXTRA],
                        showgrid=False)
    return figure.update_yaxes(range=[0, 103], **PERCENT_TICKS)


def add_extra(figure: go.Figure, counts: Sequence[tuple[int, int]], places: np.ndarray) -> None:
    """Bars of the unsure and the faceless; none of what there is nothing of."""
    shown = [(place, n, total) for place, (n, total) in zip(places, counts) if total]
    values = np.array([100 * n / total for _, n, total in shown])
    low, high = intervals([(n, total) for _, n, total in shown])
    figure.add_bar(
        x=[place for place, _, _ in shown], y=values, width=0.36, showlegend=False, textposition="none",
        text=[f"{percent(n / total)}, {n} of {total}" for _, n, total in shown], hovertemplate="%{text}<extra></extra>",
        marker={"color": TEXT, "pattern": {"shape": ".", "size": 7, "solidity": 0.25}},
        error_y={"type": "data", "symmetric": False, "array": high - values, "arrayminus": values - low, "color": TEXT,
                 "thickness": 1.6, "width": 4})


def joint_shares(target: np.ndarray | None, counts: np.ndarray | None, first: Attribute, second: Attribute) -> go.Figure:
    """How often two attributes are perceived together: counts int [classes of first, classes of second], and the target
    of the same shape in [0, 1], or None. counts: None where the classifier does not perceive both."""
    total = 0 if counts is None else int(counts.sum())
    if not total:
        return message(UNKNOWN if counts is None else "No face found", f"{first.label} and {second.label.lower()}")
    tables = ({} if target is None else {"Target": (np.asarray(target, float), None)}) | {
        f"These pictures, {total} faces": (counts / total, counts)}
    figure = make_subplots(rows=len(tables), cols=1, subplot_titles=list(tables), shared_xaxes=True, vertical_spacing=0.14)
    for row, (shares, counted) in enumerate(tables.values(), 1):
        hover = [[percent(v) for v in line] for line in shares] if counted is None else [
            [interval_text(int(n), total) for n in line] for line in counted]
        figure.add_heatmap(
            z=100 * shares, x=[literal(c.label) for c in second.classes], y=[literal(c.label) for c in first.classes],
            text=hover, texttemplate="%{z:.1f} %", textfont={"color": CELL_INK}, xgap=2, ygap=2, row=row, col=1,
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>", coloraxis="coloraxis")
    style(figure, f"{first.label} and {second.label.lower()}", 150 + len(tables) * (42 * len(first.classes) + 20), top=70,
          legend=False)
    figure.update_layout(coloraxis={"colorscale": [[0, "#eef3f9"], [1, "#7fb0e6"]], "cmin": 0, "showscale": False})
    figure.update_annotations(font={"size": 12, "color": TEXT})
    return figure.update_yaxes(autorange="reversed", showgrid=False)
