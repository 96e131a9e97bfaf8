"""A run -> what is handed on: a table of measures, CSV, a self-contained HTML report, a model card."""

from fairness_core.report.card import model_card
from fairness_core.report.html import to_html
from fairness_core.report.record import results_record
from fairness_core.report.table import markdown_table, metrics_table, sweep_table, to_csv

__all__ = ["markdown_table", "metrics_table", "model_card", "results_record", "sweep_table", "to_csv", "to_html"]
