"""Plotly figures from plain data, for light and dark pages and down to 390 pixels wide."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import plotly.graph_objects as go
import yaml
from plotly.subplots import make_subplots

from fairness_core.attributes import ASSETS, Attribute, load_attributes
from fairness_core.events import StepDone
from fairness_core.metrics import wilson_interval
from fairness_core.results import ImageSet, PromptComparison

LOSSES = ("total", "alignment", "semantics", "face")
TEXT, GRID, CLEAR = "#7d838c", "rgba(128,134,144,0.22)", "rgba(0,0,0,0)"
SERIES = (("#4c8fdb", "solid"), ("#e08435", "dash"), ("#36a36c", "dot"), ("#b46fd0", "dashdot"))
HELD_OUT_MARK = "★"
LONGEST_NAME = 26
ROW_HEIGHT = 34  # pixels a prompt
PERCENT_TICKS = {"tickvals": [0, 25, 50, 75, 100], "ticktext": ["0 %", "25 %", "50 %", "75 %", "100 %"]}
# buttons over the title that are left out; the last would send the figure to a company's server
CLUTTER = ["zoom", "pan", "select", "lasso", "zoomIn", "zoomOut", "autoScale", "sendChartToCloud"]


# ---------------------------------------------------------------- training

def training_curves(steps: Sequence[StepDone], keys: Sequence[str] = LOSSES) -> go.Figure:
    """The losses named by `keys` over the steps: each step a light dot, their running mean a line."""
    return curves(steps, {key: [s.losses.get(key) for s in steps] for key in keys}, "Losses")


def distance_curves(steps: Sequence[StepDone]) -> go.Figure:
    """Distance to the target of each controlled attribute (half the L1 distance, 0: reached) over the steps."""
    known = load_attributes()
    names = list(dict.fromkeys(name for s in steps for name in s.distance))
    series = {known[n].label if n in known else n: [s.distance.get(n) for s in steps] for n in names}
    return curves(steps, series, "Distance to the target")


def curves(steps: Sequence[StepDone], series: dict[str, list[float | None]], title: str) -> go.Figure:
    """One colour and dash a series, in the order given; what is missing or not finite is left out."""
    if not steps:
        return message("Nothing measured yet", title)
    figure = go.Figure()
    x = np.array([s.step for s in steps])
    about = np.array([f"{s.prompt}<br>{s.faces_found} faces in {s.images} images" for s in steps])
    for i, (name, values) in enumerate(series.items()):
        y = np.array(values, float)
        seen = np.isfinite(y)
        if not seen.any():
            continue
        colour, dash = SERIES[i % len(SERIES)]
        figure.add_scatter(
            x=x[seen], y=y[seen], mode="markers", marker={"color": colour, "size": 5, "opacity": 0.35},
            customdata=about[seen], hovertemplate=f"step %{{x}}: {name} %{{y:.3f}}<br>%{{customdata}}<extra></extra>",
            legendgroup=name, showlegend=False)
        figure.add_scatter(x=x[seen], y=running_mean(y[seen]), mode="lines", name=name, legendgroup=name,
                           line={"color": colour, "width": 2.5, "dash": dash}, hoverinfo="skip")
    if skipped := [s for s in steps if s.skipped]:
        figure.add_scatter(x=[s.step for s in skipped], y=[0] * len(skipped), mode="markers", name="skipped step",
                           cliponaxis=False,
                           text=[s.skipped for s in skipped], hovertemplate="step %{x} skipped: %{text}<extra></extra>",
                           marker={"symbol": "x-thin", "size": 9, "line": {"width": 2, "color": TEXT}})
    style(figure, title, 320)
    figure.update_xaxes(title="step", range=[0, max(s.step for s in steps) + 0.5])
    return figure.update_yaxes(rangemode="tozero")


def running_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the latest tenth of the values (at least five) at each place, [n] -> [n]."""
    window = max(5, len(values) // 10)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


# ---------------------------------------------------------------- distributions

def distribution_plot(comparisons: Sequence[PromptComparison], attribute: Attribute, class_name: str,
                      target: float | None = None, sort: str = "before") -> go.Figure:
    """One row a prompt: how often the class is perceived before (hollow) and after (filled), with 95 % intervals.

    target: the class's target frequency in [0, 1], drawn across. sort: "name", "before" or "after".
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
    add_frequencies(figure, [before for _, before, _ in rows], 0.17, "before", TEXT, CLEAR, "circle-open")
    add_frequencies(figure, [after for _, _, after in rows], -0.17, "after", cls.colour, cls.colour, "diamond")
    held_out = any(c.held_out for c in comparisons)
    note = "95 % intervals" + (f" · {HELD_OUT_MARK} not trained on" if held_out else "")
    style(figure, f"{attribute.label}: {cls.label}", 160 + ROW_HEIGHT * len(rows), note, top=84)
    names = [concept_name(c.prompt) + (f" {HELD_OUT_MARK}" if c.held_out else "") for c, _, _ in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[-0.6, len(rows) - 0.4], showgrid=False)
    figure.update_xaxes(range=[-3, 103], **PERCENT_TICKS)
    if target is not None:
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
    return f"{count / n:.0%} [{low:.0%}, {high:.0%}], {count} of {n} faces"


def add_target_line(figure: go.Figure, target: float) -> None:
    figure.add_vline(x=100 * target, line={"color": TEXT, "width": 1.5, "dash": "dash"})
    anchor = "right" if target > 0.8 else "left" if target < 0.2 else "center"
    figure.add_annotation(x=100 * target, y=1, yref="paper", yanchor="bottom", xanchor=anchor, showarrow=False,
                          text=f"target {100 * target:.3g} %")


def class_bars(comparisons: Sequence[PromptComparison], attribute: Attribute,
               target_marginal: np.ndarray | None = None) -> go.Figure:
    """How often each class is perceived over all prompts, before and after; target_marginal [classes] as marks."""
    if not comparisons:
        return message("Nothing compared yet", attribute.label)
    figure, places = go.Figure(), np.arange(len(attribute.classes))
    for name, side, offset in (("before", "original", -0.2), ("after", "tuned", 0.2)):
        counts = np.array([[frequency(getattr(c, side), attribute, i) for i in places] for c in comparisons]).sum(0)
        if not counts[0, 1]:
            continue
        add_bars(figure, attribute, counts, places + offset, name, filled=side == "tuned")
    if target_marginal is not None:
        x = [v for i in places for v in (i - 0.42, i + 0.42, None)]
        y = [v for t in target_marginal for v in (100 * t, 100 * t, None)]
        figure.add_scatter(x=x, y=y, mode="lines", name="target", line={"color": TEXT, "width": 2.5, "dash": "dot"},
                           hovertemplate="target %{y:.3g} %<extra></extra>")
    style(figure, f"{attribute.label}, all prompts", 340, "95 % intervals", top=64)
    figure.update_layout(bargap=0.2)
    figure.update_xaxes(tickvals=places, ticktext=[c.label for c in attribute.classes], showgrid=False)
    return figure.update_yaxes(range=[0, 103], **PERCENT_TICKS)


def add_bars(figure: go.Figure, attribute: Attribute, counts: np.ndarray, places: np.ndarray, name: str,
             filled: bool) -> None:
    """Bars of counts [classes, 2] (count, faces): in the classes' colours and patterns when filled, else hollow."""
    pairs = [(int(count), int(n)) for count, n in counts]
    values = np.array([100 * count / n for count, n in pairs])
    low, high = intervals(pairs)
    colours = [c.colour if filled else CLEAR for c in attribute.classes]
    lines = [visible(c.colour) if filled else TEXT for c in attribute.classes]
    patterns = {"shape": [c.pattern if filled else "" for c in attribute.classes], "size": 7, "solidity": 0.25,
                "fillmode": "overlay", "fgopacity": 0.6}
    figure.add_bar(
        x=places, y=values, width=0.36, name=name, text=[f"{name} {interval_text(*pair)}" for pair in pairs],
        textposition="none", hovertemplate="%{text}<extra></extra>",
        marker={"color": colours, "pattern": patterns, "line": {"color": lines, "width": 1.5}},
        error_y={"type": "data", "symmetric": False, "array": high - values, "arrayminus": values - low,
                 "color": TEXT, "thickness": 1.6, "width": 4})


def joint_heatmap(target: np.ndarray, reached_before: np.ndarray, reached_after: np.ndarray, attribute_a: Attribute,
                  attribute_b: Attribute, faces_before: int = 0, faces_after: int = 0) -> go.Figure:
    """Joint frequencies [classes of a, classes of b] in [0, 1]: the target, before, and after, one under the other.

    faces_*: how many faces the frequencies are of; when given, the hover text tells counts and intervals.
    Raises ValueError for a table of another shape.
    """
    shape = (len(attribute_a.classes), len(attribute_b.classes))
    tables = {"Target": (target, 0), "Before": (reached_before, faces_before), "After": (reached_after, faces_after)}
    titles = [f"{name}, {n} faces" if n else name for name, (_, n) in tables.items()]
    figure = make_subplots(rows=3, cols=1, subplot_titles=titles, shared_xaxes=True, vertical_spacing=0.1)
    for row, (name, (table, n)) in enumerate(tables.items(), 1):
        table = np.asarray(table, float)
        if table.shape != shape:
            raise ValueError(f"The {name.lower()} table has shape {table.shape}; these attributes need {shape}.")
        hover = [[interval_text(round(v * n), n) if n and np.isfinite(v) else f"{v:.0%}" for v in line] for line in table]
        figure.add_heatmap(
            z=100 * table, x=[c.label for c in attribute_b.classes], y=[c.label for c in attribute_a.classes],
            text=hover, texttemplate="%{z:.1f} %", hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>",
            coloraxis="coloraxis", xgap=2, ygap=2, row=row, col=1)
    style(figure, f"{attribute_a.label} and {attribute_b.label.lower()}", 150 + 3 * 42 * shape[0] + 60, top=70, legend=False)
    figure.update_layout(coloraxis={"colorscale": [[0, "#e9eef5"], [1, "#1d5fa8"]], "cmin": 0, "showscale": False})
    figure.update_annotations(font={"size": 12, "color": TEXT})
    return figure.update_yaxes(autorange="reversed", showgrid=False)


# ---------------------------------------------------------------- names and looks

@cache
def template_ends() -> tuple[str, str]:
    """What stands before and after the concept in the built-in prompts."""
    template = yaml.safe_load((ASSETS / "prompts" / "concepts.yaml").read_text())["template"]
    before, _, after = template.partition("{a_concept}")
    return before, after


def concept_name(prompt: str) -> str:
    """The concept of a built-in prompt without its article; any other prompt shortened."""
    before, after = template_ends()
    if prompt.startswith(before) and prompt.endswith(after) and len(prompt) > len(before) + len(after):
        prompt = prompt[len(before):len(prompt) - len(after)].removeprefix("an ").removeprefix("a ")
    return prompt if len(prompt) <= LONGEST_NAME else prompt[:LONGEST_NAME - 1].rstrip() + "…"


def visible(colour: str) -> str:
    """The colour, or the grey of the text where it would vanish on a dark page; colour: "#rrggbb"."""
    red, green, blue = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return TEXT if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 50 else colour


def style(figure: go.Figure, title: str, height: int, subtitle: str = "", top: int = 48, legend: bool = True) -> go.Figure:
    """Clear background, grey text, legend below; the zoom survives a redraw."""
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0.01, "xanchor": "left", "y": 1 - 24 / height,
               "yref": "container", "yanchor": "bottom", "subtitle": {"text": subtitle, "font": {"size": 12}}},
        template="none", height=height, paper_bgcolor=CLEAR, plot_bgcolor=CLEAR, font={"color": TEXT, "size": 12},
        margin={"l": 10, "r": 14, "t": top, "b": 64 if legend else 30}, hovermode="closest", uirevision="kept",
        modebar={"bgcolor": CLEAR, "color": TEXT, "remove": CLUTTER},
        showlegend=legend, legend={"orientation": "h", "yref": "container", "y": 0.0, "yanchor": "bottom", "x": 0})
    axis = {"gridcolor": GRID, "linecolor": GRID, "zeroline": False, "automargin": True, "ticks": ""}
    return figure.update_xaxes(**axis).update_yaxes(**axis)


def message(text: str, title: str) -> go.Figure:
    """An empty figure that says why."""
    figure = style(go.Figure(), title, 220, legend=False)
    figure.add_annotation(text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 14})
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)
