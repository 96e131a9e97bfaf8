"""How every figure looks, on light and dark pages and down to 390 pixels wide."""

from functools import cache
from html import escape

import plotly.graph_objects as go

from fairness_core.settings.prompts import load_concepts

TEXT, GRID, CLEAR = "#7d838c", "rgba(128,134,144,0.22)", "rgba(0,0,0,0)"
SERIES = (("#4c8fdb", "solid"), ("#e08435", "dash"), ("#36a36c", "dot"), ("#b46fd0", "dashdot"))
FONT = "ui-sans-serif, system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
LONGEST_NAME = 26
PERCENT_TICKS = {"tickvals": [0, 25, 50, 75, 100], "ticktext": ["0 %", "25 %", "50 %", "75 %", "100 %"]}
# buttons over the title that are left out; the last would send the figure to a company's server
CLUTTER = ["zoom", "pan", "select", "lasso", "zoomIn", "zoomOut", "autoScale", "sendChartToCloud"]


@cache
def template_ends() -> tuple[str, str]:
    """What stands before and after the concept in the built-in prompts."""
    before, _, after = load_concepts().template.partition("{a_concept}")
    return before, after


def concept_name(prompt: str) -> str:
    """The concept of a built-in prompt without its article; any other prompt shortened."""
    before, after = template_ends()
    if prompt.startswith(before) and prompt.endswith(after) and len(prompt) > len(before) + len(after):
        prompt = prompt[len(before):len(prompt) - len(after)].removeprefix("an ").removeprefix("a ")
    return prompt if len(prompt) <= LONGEST_NAME else prompt[:LONGEST_NAME - 1].rstrip() + "…"


def literal(text: str) -> str:
    """The text as plotly shows it letter by letter: it takes <b> and the like for markup, wherever it writes text."""
    return escape(text, quote=False)


def visible(colour: str) -> str:
    """The colour, or the grey of the text where it would vanish on a dark page; colour: "#rrggbb"."""
    red, green, blue = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return TEXT if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 50 else colour


def style(figure: go.Figure, title: str, height: int, subtitle: str = "", top: int = 48, legend: bool = True) -> go.Figure:
    """Clear background, grey text, legend below; the zoom survives a redraw. The title is no markup."""
    figure.update_layout(
        title={"text": literal(title), "font": {"size": 15}, "x": 0.01, "xanchor": "left", "y": 1 - 24 / height,
               "yref": "container", "yanchor": "bottom", "subtitle": {"text": subtitle, "font": {"size": 12}}},
        template="none", height=height, paper_bgcolor=CLEAR, plot_bgcolor=CLEAR, font={"color": TEXT, "size": 12, "family": FONT},
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
