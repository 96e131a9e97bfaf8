"""Plotly figures from plain data."""

from fairness_core.plots.distributions import class_bars, distribution_plot, joint_heatmap
from fairness_core.plots.style import SERIES, concept_name, message, style
from fairness_core.plots.training import distance_curves, training_curves

__all__ = ["SERIES", "class_bars", "concept_name", "distance_curves", "distribution_plot", "joint_heatmap", "message",
           "style", "training_curves"]
