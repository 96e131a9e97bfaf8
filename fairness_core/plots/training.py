"""How a finetune goes: losses and distances over the steps."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from fairness_core.events import StepDone
from fairness_core.plots.style import SERIES, TEXT, literal, message, style
from fairness_core.settings.attributes import load_attributes

LOSSES = ("total", "alignment", "semantics", "face")


def training_curves(steps: Sequence[StepDone], keys: Sequence[str] = LOSSES) -> go.Figure:
    """The losses named by `keys` over the steps: each step a light dot, their running mean a line."""
    return curves(steps, {key: [s.losses.get(key) for s in steps] for key in keys}, "Losses")


def distance_curves(steps: Sequence[StepDone]) -> go.Figure:
    """Distance to the target of each controlled attribute (half the L1 distance, 0: reached) over the steps."""
    known = load_attributes()
    names = list(dict.fromkeys(name for s in steps for name in s.distance))
    series = {literal(known[n].label if n in known else n): [s.distance.get(n) for s in steps] for n in names}
    return curves(steps, series, "Distance to the target")


def curves(steps: Sequence[StepDone], series: dict[str, list[float | None]], title: str) -> go.Figure:
    """One colour and dash a series, in the order given; what is missing or not finite is left out."""
    if not steps:
        return message("Nothing measured yet", title)
    figure = go.Figure()
    x = np.array([s.step for s in steps])
    about = np.array([f"{literal(s.prompt)}<br>{s.faces_found} faces in {s.images} images" for s in steps])
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
