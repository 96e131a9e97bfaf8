"""Plotly figures from plain data."""

from fairness_core.plots.distributions import class_bars, distribution_plot, joint_heatmap
from fairness_core.plots.guidance import guidance_bias, guidance_similarities
from fairness_core.plots.outcomes import SURE, outcome_bars
from fairness_core.plots.style import SERIES, concept_name, message, style
from fairness_core.plots.training import distance_curves, training_curves

__all__ = ["SERIES", "SURE", "class_bars", "concept_name", "distance_curves", "distribution_plot", "guidance_bias",
           "guidance_similarities", "joint_heatmap", "message", "outcome_bars", "style", "training_curves"]
