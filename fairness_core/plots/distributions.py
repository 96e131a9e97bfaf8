"""How often each class is perceived, before and after, with intervals and the target."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fairness_core.metrics import percent, wilson_interval
from fairness_core.plots.style import CLEAR, PERCENT_TICKS, TEXT, concept_name, literal, message, style, visible
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import Attribute

HELD_OUT_MARK = "★"
WORDS, WORDS_COLOUR = "words in the prompt", "#b46fd0"  # the baseline
CELL_INK = "#1b2430"  # readable on every cell of the heatmap, in either theme
ROW_HEIGHT, DENSE_ROW_HEIGHT, MANY_ROWS = 34, 22, 20  # pixels a prompt


def distribution_plot(comparisons: Sequence[PromptComparison], attribute: Attribute, class_name: str,
                      target: float | Mapping[str, float] | None = None, sort: str = "before") -> go.Figure:
    """One row a prompt: how often the class is perceived before (hollow) and after (filled), with 95 % intervals; between
    them, where it was painted, by words in the prompt.

    target: the class's target frequency in [0, 1], drawn across; or one for each prompt, by prompt, a mark in its row.
    sort: "name", "before" or "after".
    Raises ValueError for another `sort`, or a class the attribute does not have.
    """
    if class_name not in attribute.class_names:
        raise ValueError(f"{attribute.label} has no class {class_name!r}: choose among {', '.join(attribute.class_names)}.")
    if not comparisons:
        return message("Nothing compared yet", attribute.label)
    index = attribute.class_names.index(class_name)
    cls = attribute.classes[index]
    rows = [(c, frequency(c.original, attribute, index), frequency(c.tuned, attribute, index)) for c in comparisons]
    rows = sorted(rows, key=sort_key(sort), reverse=True)
    figure = go.Figure()
    words = [c.baseline and frequency(c.baseline.images, attribute, index) for c, _, _ in rows]
    apart = 0.24 if any(words) else 0.17
    add_frequencies(figure, [before for _, before, _ in rows], apart, "before", TEXT, CLEAR, "circle-open")
    if any(words):
        add_frequencies(figure, [pair or (0, 0) for pair in words], 0, WORDS, WORDS_COLOUR, CLEAR, "square-open")
    add_frequencies(figure, [after for _, _, after in rows], -apart, "after", cls.colour, cls.colour, "diamond")
    held_out = any(c.held_out for c in comparisons)
    note = "95 % intervals" + (f" · {HELD_OUT_MARK} not trained on" if held_out else "")
    height = 160 + len(rows) * ((DENSE_ROW_HEIGHT if len(rows) > MANY_ROWS else ROW_HEIGHT) + 8 * any(map(bool, words)))
    style(figure, f"{attribute.label}: {cls.label}", height, note, top=84)
    names = [literal(concept_name(c.prompt)) + (f" {HELD_OUT_MARK}" if c.held_out else "") for c, _, _ in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[-0.6, len(rows) - 0.4], showgrid=False)
    figure.update_xaxes(range=[-3, 103], **PERCENT_TICKS)
    if isinstance(target, Mapping):
        add_target_marks(figure, [target[c.prompt] for c, _, _ in rows])
    elif target is not None:
        add_target_line(figure, target)
    return figure


def frequency(images: ImageSet, attribute: Attribute, index: int) -> tuple[int, int]:
    """How many of the images with a face are perceived as the class, and how many have a face."""
    labels = images.labels(attribute.name)
    return int((labels == index).sum()), len(labels)


def sort_key(sort: str):
    """The order of rows (comparison, before, after); prompts without a face come last."""
    columns = {"before": 1, "after": 2}
    if sort == "name":
        return lambda row: concept_name(row[0].prompt).lower()
    if sort not in columns:
        raise ValueError(f"Unknown order {sort!r}: choose name, before or after.")
    return lambda row: share(*row[columns[sort]])


def share(count: int, n: int) -> float:
    return count / n if n else float("inf")


def add_frequencies(figure: go.Figure, counts: Sequence[tuple[int, int]], offset: float, name: str, colour: str,
                    fill: str, symbol: str) -> None:
    """Markers with Wilson intervals, row i of `counts` at height i + offset; rows without a face are left out."""
    rows = [(i, *counted) for i, counted in enumerate(counts) if counted[1]]
    values = np.array([100 * count / n for _, count, n in rows])
    low, high = intervals([(count, n) for _, count, n in rows])
    line = visible(colour)
    figure.add_scatter(
        x=values, y=[i + offset for i, _, _ in rows], mode="markers", name=name,
        text=[f"{name} {interval_text(count, n)}" for _, count, n in rows], hovertemplate="%{text}<extra></extra>",
        error_x={"type": "data", "symmetric": False, "array": high - values, "arrayminus": values - low,
                 "color": line, "thickness": 1.4, "width": 0},
        marker={"symbol": symbol, "size": 10, "color": line if symbol.endswith("open") else fill,
                "line": {"width": 2 if symbol.endswith("open") else 1.2, "color": line}})


def intervals(counts: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % intervals in percent, low [n] and high [n]."""
    pairs = np.array([wilson_interval(count, n) for count, n in counts], float).reshape(-1, 2)
    return 100 * pairs[:, 0], 100 * pairs[:, 1]


def interval_text(count: int, n: int) -> str:
    low, high = wilson_interval(count, n)
    return f"{percent(count / n)} [{percent(low)}, {percent(high)}], {count} of {n} faces"


def add_target_line(figure: go.Figure, target: float) -> None:
    figure.add_vline(x=100 * target, line={"color": TEXT, "width": 1.5, "dash": "dash"})
    anchor = "right" if target > 0.8 else "left" if target < 0.2 else "center"
    figure.add_annotation(x=100 * target, y=1, yref="paper", yanchor="bottom", xanchor=anchor, showarrow=False,
                          text=f"target {100 * target:.3g} %")


def add_target_marks(figure: go.Figure, targets: Sequence[float]) -> None:
    """A mark in each row at its own target."""
    figure.add_scatter(
        x=[100 * t for t in targets], y=list(range(len(targets))), mode="markers", name="target",
        hovertemplate="target %{x:.3g} %<extra></extra>",
        marker={"symbol": "line-ns", "size": 22, "line": {"color": TEXT, "width": 2}})


def class_bars(comparisons: Sequence[PromptComparison], attribute: Attribute,
               target_marginal: np.ndarray | None = None) -> go.Figure:
    """How often each class is perceived over all prompts, before and after, and between them by words in the prompt where
    every prompt has them; target_marginal [classes] as marks."""
    if not comparisons:
        return message("Nothing compared yet", attribute.label)
    figure, places = go.Figure(), np.arange(len(attribute.classes))
    for name, sets, offset, width in sides(comparisons):
        counts = np.array([[frequency(images, attribute, i) for i in places] for images in sets]).sum(0)
        if counts[0, 1]:
            add_bars(figure, attribute, counts, places + offset, name, width)
    if target_marginal is not None:
        x = [v for i in places for v in (i - 0.42, i + 0.42, None)]
        y = [v for t in target_marginal for v in (100 * t, 100 * t, None)]
        figure.add_scatter(x=x, y=y, mode="lines", name="target", line={"color": TEXT, "width": 2.5, "dash": "dot"},
                           hovertemplate="target %{y:.3g} %<extra></extra>")
    style(figure, f"{attribute.label}, all prompts", 340, "95 % intervals", top=64)
    figure.update_layout(bargap=0.2)
    figure.update_xaxes(tickvals=places, ticktext=[literal(c.label) for c in attribute.classes], showgrid=False)
    return figure.update_yaxes(range=[0, 103], **PERCENT_TICKS)


def sides(comparisons: Sequence[PromptComparison]) -> list[tuple[str, list[ImageSet], float, float]]:
    """What stands side by side at each place: name, images a prompt, how far from the middle, width of the bar."""
    before, after = ([getattr(c, side) for c in comparisons] for side in ("original", "tuned"))
    if not all(c.baseline for c in comparisons):
        return [("before", before, -0.2, 0.36), ("after", after, 0.2, 0.36)]
    words = [c.baseline.images for c in comparisons]
    return [("before", before, -0.28, 0.26), (WORDS, words, 0, 0.26), ("after", after, 0.28, 0.26)]


def add_bars(figure: go.Figure, attribute: Attribute, counts: np.ndarray, places: np.ndarray, name: str,
             width: float) -> None:
    """Bars of counts [classes, 2] (count, faces): in the classes' colours and patterns, but hollow before and by words."""
    filled = name not in ("before", WORDS)
    pairs = [(int(count), int(n)) for count, n in counts]
    values = np.array([100 * count / n for count, n in pairs])
    low, high = intervals(pairs)
    colours = [c.colour if filled else CLEAR for c in attribute.classes]
    lines = [visible(c.colour) if filled else WORDS_COLOUR if name == WORDS else TEXT for c in attribute.classes]
    patterns = {"shape": [c.pattern if filled else "" for c in attribute.classes], "size": 7, "solidity": 0.25,
                "fillmode": "overlay", "fgopacity": 0.6}
    figure.add_bar(
        x=places, y=values, width=width, name=name, text=[f"{name} {interval_text(*pair)}" for pair in pairs],
        textposition="none", hovertemplate="%{text}<extra></extra>",
        marker={"color": colours, "pattern": patterns, "line": {"color": lines, "width": 1.5}},
        error_y={"type": "data", "symmetric": False, "array": high - values, "arrayminus": values - low,
                 "color": TEXT, "thickness": 1.6, "width": 4})


def joint_heatmap(target: np.ndarray | None, reached_before: np.ndarray, reached_after: np.ndarray,
                  attribute_a: Attribute, attribute_b: Attribute, faces_before: int = 0, faces_after: int = 0,
                  words: tuple[np.ndarray, int] | None = None) -> go.Figure:
    """Joint frequencies [classes of a, classes of b] in [0, 1]: the target (if any), before and after, stacked.

    faces_*: how many faces the frequencies are of; when given, the hover text tells counts and intervals. words: the
    frequencies by words in the prompt, and of how many faces.
    Raises ValueError for a table of another shape.
    """
    shape = (len(attribute_a.classes), len(attribute_b.classes))
    tables = {} if target is None else {"Target": (target, 0)}
    tables |= {"Before": (reached_before, faces_before)} | ({WORDS.capitalize(): words} if words else {})
    tables |= {"After": (reached_after, faces_after)}
    titles = [f"{name}, {n} faces" if n else name for name, (_, n) in tables.items()]
    figure = make_subplots(rows=len(tables), cols=1, subplot_titles=titles, shared_xaxes=True, vertical_spacing=0.1)
    for row, (name, (table, n)) in enumerate(tables.items(), 1):
        table = np.asarray(table, float)
        if table.shape != shape:
            raise ValueError(f"The {name.lower()} table has shape {table.shape}; these attributes need {shape}.")
        hover = [[interval_text(round(v * n), n) if n and np.isfinite(v) else percent(v) for v in line] for line in table]
        figure.add_heatmap(
            z=100 * table, x=[literal(c.label) for c in attribute_b.classes],
            y=[literal(c.label) for c in attribute_a.classes],
            text=hover, texttemplate="%{z:.1f} %", textfont={"color": CELL_INK},
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>",
            coloraxis="coloraxis", xgap=2, ygap=2, row=row, col=1)
    height = 150 + len(tables) * (42 * shape[0] + 20)
    style(figure, f"{attribute_a.label} and {attribute_b.label.lower()}", height, top=70, legend=False)
    figure.update_layout(coloraxis={"colorscale": [[0, "#eef3f9"], [1, "#7fb0e6"]], "cmin": 0, "showscale": False})
    figure.update_annotations(font={"size": 12, "color": TEXT})
    return figure.update_yaxes(autorange="reversed", showgrid=False)
