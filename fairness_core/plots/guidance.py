"""What the guidance scale changes: bias and likeness at every scale that was measured."""

from collections.abc import Sequence

import plotly.graph_objects as go

from fairness_core.plots.style import SERIES, TEXT, message, style

SIMILARITIES = {"clip_text_before": "CLIP-T before", "clip_text_after": "CLIP-T after", "clip_image": "CLIP-I",
                "dino": "DINO"}


def guidance_bias(rows: Sequence[dict], attribute: str, measure: str = "bias") -> go.Figure:
    """Bias (or "distance") before and after at each guidance scale, with 95 % intervals and the floor.

    rows: of the measures table over all prompts, each with its "guidance_scale".
    """
    title = f"{measure.capitalize()} of {attribute} by guidance scale"
    chosen = by_scale([row for row in rows if row["attribute"] == attribute and row[f"{measure}_after"] is not None])
    if not chosen:
        return message("Nothing measured", title)
    figure = go.Figure()
    for when, (colour, dash) in zip(("before", "after"), (SERIES[1], SERIES[0])):
        seen = [row for row in chosen if row[f"{measure}_{when}"] is not None]
        values = [row[f"{measure}_{when}"] for row in seen]
        figure.add_scatter(
            x=[row["guidance_scale"] for row in seen], y=values, mode="lines+markers", name=when,
            line={"color": colour, "dash": dash}, marker={"size": 9},
            error_y={"type": "data", "symmetric": False, "thickness": 1.4,
                     "array": [row[f"{measure}_{when}_high"] - v for row, v in zip(seen, values)],
                     "arrayminus": [v - row[f"{measure}_{when}_low"] for row, v in zip(seen, values)]})
    figure.add_scatter(x=[row["guidance_scale"] for row in chosen], y=[row[f"{measure}_floor"] for row in chosen],
                       mode="lines", name="floor", line={"color": TEXT, "dash": "dot"})
    return axes(style(figure, title, 340, "95 % intervals", top=64))


def guidance_similarities(rows: Sequence[dict]) -> go.Figure:
    """CLIP-T before and after, CLIP-I and DINO at each guidance scale."""
    title = "What stays, by guidance scale"
    chosen = by_scale(rows)
    if not chosen:
        return message("Nothing measured", title)
    figure = go.Figure()
    for (key, name), (colour, dash) in zip(SIMILARITIES.items(), SERIES, strict=True):
        figure.add_scatter(x=[row["guidance_scale"] for row in chosen], y=[row[key] for row in chosen], name=name,
                           mode="lines+markers", line={"color": colour, "dash": dash})
    return axes(style(figure, title, 340))


def by_scale(rows: Sequence[dict]) -> list[dict]:
    """The first row of every guidance scale, in order."""
    first = {row["guidance_scale"]: row for row in reversed(rows)}
    return [first[scale] for scale in sorted(first)]


def axes(figure: go.Figure) -> go.Figure:
    return figure.update_xaxes(title="guidance scale").update_yaxes(rangemode="tozero")
