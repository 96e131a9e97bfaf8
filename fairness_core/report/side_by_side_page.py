"""Runs side by side as one HTML file that needs no network. Its words are templates/side_by_side.html."""

from collections.abc import Sequence

from fairness_core.report.html import TEMPLATES, html_figures
from fairness_core.report.side_by_side import Point, side_by_side_table
from fairness_core.report.side_by_side_figure import LIKENESS, figure_of_runs
from fairness_core.report.text_tables import attribute_label


def side_by_side_html(found: Sequence[Point], attribute: str, prompts: str) -> str:
    """Plots by CLIP-I and by DINO, and the table. prompts: on which prompts, in words."""
    table = side_by_side_table(found)
    figures = [figure_of_runs(found, attribute_label(attribute), likeness) for likeness in LIKENESS]
    return TEMPLATES.get_template("side_by_side.html").render(
        title="Runs side by side", prompts=prompts, table=table.plain(), note=table.note, figures=html_figures(figures))
