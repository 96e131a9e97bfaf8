"""How far a set of images is from its target, and how sure one can be. numpy and scipy only."""

from fairness_core.metrics.measures import (bias, bootstrap_interval, distance_to_target, joint_labels, percent,
                                            sampling_floor, selection_rate, wilson_interval)
from fairness_core.metrics.summaries import AttributeSummary, MeanOverPrompts, PromptSummary, summarise
from fairness_core.metrics.verdicts import Verdict, verdict

__all__ = ["AttributeSummary", "MeanOverPrompts", "PromptSummary", "Verdict", "bias", "bootstrap_interval",
           "distance_to_target", "joint_labels", "percent", "sampling_floor", "selection_rate", "summarise", "verdict",
           "wilson_interval"]
