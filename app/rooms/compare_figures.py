"""What the figures of the comparison are drawn from: the target that counts, and the pairs of attributes."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import plotly.graph_objects as go

from app.html.measures import attribute_label
from app.jobs.files import JobView
from fairness_core.plots import joint_heatmap
from fairness_core.report.html import joint_frequencies
from fairness_core.report.record import target_if_any
from fairness_core.report.table import image_sets
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig


def identity(shown: JobView) -> tuple:
    """Changes whenever a figure of the comparison may change."""
    return (shown.job_id, shown.step, sum(len(c.original.numbers) for c in shown.comparisons), len(shown.comparisons),
            sum(c.baseline is not None for c in shown.comparisons), shown.corrections)


def of_prompt(comparisons: Sequence[PromptComparison], prompt: str | None) -> PromptComparison | None:
    """What is compared of a prompt; of one that is not among them, of the first, if there is any."""
    return next((c for c in comparisons if c.prompt == prompt), comparisons[0] if comparisons else None)


def marginal_target(config: FinetuneConfig, attribute: str) -> np.ndarray | None:
    """The target of one attribute [classes]; None when it is not controlled."""
    target = target_if_any(config)
    return target.marginal(attribute) if target and attribute in target.names else None


def attribute_pairs() -> list[tuple[str, str]]:
    """(shown, value) of every two attributes."""
    return [(attribute_label(pair), pair) for pair in map(" x ".join, combinations(load_attributes(), 2))]


def joint_target(config: FinetuneConfig, names: Sequence[str]) -> np.ndarray | None:
    """The target of two attributes together, in that order; None unless both are controlled."""
    target = target_if_any(config)
    if target is None or not set(names) <= set(target.names):
        return None
    return target.part(names).joint


def joint_figure(comparisons: Sequence[PromptComparison], config: FinetuneConfig, pair: str) -> go.Figure:
    """Target, before and after of two attributes together, over all prompts. pair: a value of `attribute_pairs`."""
    names = pair.split(" x ")
    attributes = [load_attributes()[name] for name in names]
    found = {when: joint_frequencies(sets, attributes) for when, sets in image_sets(comparisons).items()}
    (before, n_before), (after, n_after) = found["before"], found["after"]
    return joint_heatmap(joint_target(config, names), before, after, *attributes, n_before, n_after,
                         words=found.get("baseline"))
