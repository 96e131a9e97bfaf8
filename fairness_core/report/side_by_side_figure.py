"""Runs side by side: distance to the target against likeness to the original, strengths of a run as a curve."""

from collections.abc import Sequence

import plotly.graph_objects as go

from fairness_core.plots.style import CLEAR, SERIES, literal, message, style
from fairness_core.report.side_by_side import ORIGINAL, TUNED, WORDS, Point, way_words
from fairness_core.report.sides import Figure

COLOURS = (*SERIES, ("#c94f7c", "longdash"), ("#8a7a2e", "longdashdot"))  # as many as there may be runs
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "star", "cross")
LIKENESS = {"clip_image": "CLIP-I", "dino": "DINO"}


def figure_of_runs(points: Sequence[Point], attribute: str, likeness: str = "clip_image") -> go.Figure:
    """A curve a run, from its original (hollow) along the strengths; crossed out: words in the prompt. Intervals both ways.

    attribute: its label; likeness: "clip_image" or "dino". Points of which either was not measured are left out.
    """
    title = f"{attribute}, runs side by side"  # a telephone shows no longer one
    shown = [p for p in points if p.distance and getattr(p, likeness)]
    if not shown:
        return message("Nothing that can be drawn: choose runs that control this", title)
    figure = go.Figure()
    for i, run in enumerate(dict.fromkeys(p.run for p in shown)):
        add_run(figure, [p for p in shown if p.run == run], likeness, *COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)])
    style(figure, title, 460, "95 % intervals · hollow: original · ✕: words", top=72)
    figure.update_xaxes(title=f"likeness to the original ({LIKENESS[likeness]})")
    return figure.update_yaxes(title="distance to the target", rangemode="tozero")


def add_run(figure: go.Figure, points: Sequence[Point], likeness: str, colour: str, dash: str, symbol: str) -> None:
    curve = sorted((p for p in points if p.way != WORDS), key=lambda p: p.strength)
    worded = [p for p in points if p.way == WORDS]
    name, group = literal(points[0].run), points[0].run
    if curve:
        fills = [CLEAR if p.way == ORIGINAL else colour for p in curve]
        figure.add_scatter(
            **places(curve, likeness, colour), mode="lines+markers+text", name=name, legendgroup=group,
            line={"color": colour, "dash": dash, "width": 1.6},
            text=[f"{p.strength:g}" if p.way == TUNED else "" for p in curve], textposition="top right",
            textfont={"size": 11},
            marker={"symbol": symbol, "size": 10, "color": fills, "line": {"color": colour, "width": 2}})
    if worded:
        figure.add_scatter(**places(worded, likeness, colour), mode="markers", name=f"{name}, {WORDS}", legendgroup=group,
                           showlegend=not curve, marker={"symbol": "x", "size": 10, "color": colour})


def places(points: Sequence[Point], likeness: str, colour: str) -> dict:
    """Where the points stand, their intervals, and what is told of each."""
    across, up = [getattr(p, likeness) for p in points], [p.distance for p in points]
    hover = [f"{literal(p.run)}, {way_words(p)}<br>distance {words(p.distance)}<br>{LIKENESS[likeness]} "
             f"{words(getattr(p, likeness))}<br>{p.prompts} prompts, {p.images} images" for p in points]
    return {"x": [f.value for f in across], "y": [f.value for f in up], "customdata": hover,
            "hovertemplate": "%{customdata}<extra></extra>",
            "error_x": error(across, colour), "error_y": error(up, colour)}


def error(figures: Sequence[Figure], colour: str) -> dict:
    ends = [(f.value, f.value) if f.low is None else (f.low, f.high) for f in figures]
    return {"type": "data", "symmetric": False, "array": [high - f.value for f, (_, high) in zip(figures, ends)],
            "arrayminus": [f.value - low for f, (low, _) in zip(figures, ends)], "color": colour, "thickness": 1.2, "width": 3}


def words(figure: Figure) -> str:
    return f"{figure.value:.2f}" + ("" if figure.low is None else f" [{figure.low:.2f}, {figure.high:.2f}]")
