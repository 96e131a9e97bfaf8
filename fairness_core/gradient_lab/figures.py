"""The gradient lab's two figures, in the style of the other plots."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from fairness_core.gradient_lab.points import GRADIENTS, LossPoint, ScalePoint
from fairness_core.gradient_lab.summary import Band, loss_bands, scale_bands
from fairness_core.plots import SERIES, message, style

LOSS_TITLE, SCALE_TITLE = "Training loss of the three gradients", "Gradient scale at each timestep"
BAND_OPACITY = 0.18


def loss_figure(points: Sequence[LossPoint]) -> go.Figure:
    """Mean loss over the updates, with the middle 90 % of the runs as a band."""
    bands = loss_bands(points)
    if not bands:
        return message("Nothing measured yet", LOSS_TITLE)
    figure = draw(bands, "step %{x}: %{y:.3f}")
    most = max(int(band.counts.max()) for band in bands.values())
    style(figure, LOSS_TITLE, 340, f"mean and middle 90 % · runs: {most}", top=64)
    return figure.update_xaxes(title="update").update_yaxes(title="loss: 1 − likeness")


def scale_figure(points: Sequence[ScalePoint]) -> go.Figure:
    """Mean norm of each timestep's share, with the middle 90 % of the noises; sampling goes rightwards."""
    bands = scale_bands(points)
    if not bands:
        return message("Nothing measured yet", SCALE_TITLE)
    figure = draw({name: above_zero(band) for name, band in bands.items()}, "timestep %{x}: %{y:.3g}")
    style(figure, SCALE_TITLE, 340, f"mean and middle 90 % · noises: {len(points)}", top=64)
    figure.update_xaxes(title="timestep (sampling goes to the right)", autorange="reversed")
    return figure.update_yaxes(title="norm of its gradient", type="log", exponentformat="power", dtick=1)


def above_zero(band: Band) -> Band:
    """A step that does not reach the image has scale 0, which a logarithmic axis cannot show: left out."""
    mean, low, high = (np.where(values > 0, values, np.nan) for values in (band.mean, band.low, band.high))
    return Band(band.x, mean, low, high, band.counts)


def draw(bands: dict[str, Band], hover: str) -> go.Figure:
    """One colour and dash a gradient, the same in both figures."""
    figure = go.Figure()
    for name, band in bands.items():
        colour, dash = SERIES[GRADIENTS.index(name)]
        seen = np.isfinite(band.low) & np.isfinite(band.high)
        x, low, high = band.x[seen], band.low[seen], band.high[seen]
        figure.add_scatter(x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself",
                           mode="none", fillcolor=translucent(colour), legendgroup=name, showlegend=False,
                           hoverinfo="skip", name=f"{name}, middle 90 %")
        figure.add_scatter(x=band.x, y=band.mean, mode="lines", name=name, legendgroup=name,
                           line={"color": colour, "width": 2.5, "dash": dash},
                           customdata=np.stack([band.low, band.high], 1),
                           hovertemplate=f"{name}, {hover} (%{{customdata[0]:.3g}} to %{{customdata[1]:.3g}})"
                                         "<extra></extra>")
    return figure


def translucent(colour: str) -> str:
    """"#rrggbb" as a band's colour."""
    red, green, blue = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{BAND_OPACITY})"
