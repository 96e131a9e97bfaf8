"""How long a finetune still takes, from the steps it has done.

A step costs more while prompts are new: the original's images of a prompt and batch of noises are painted once
(fairness_core.training). So the two costs are measured apart, and what is left is counted step by step.
"""

from collections.abc import Sequence

import numpy as np

from fairness_core.events import StepDone
from fairness_core.settings.config import FinetuneConfig

RECENT_STEPS = 4  # the machine may become faster or slower


def seconds_left(steps: Sequence[StepDone], config: FinetuneConfig) -> float | None:
    """Seconds until the last step; None before the first is done."""
    if not steps:
        return None
    first, done = steps[0].step - 1, steps[-1].step
    new = new_prompts(config, first)
    painted = new[:done - first].sum()
    each_new = sum(s.original_seconds for s in steps) / painted if painted else 0.0
    settled = steps[1:] or steps  # the first step warms up
    usual = np.median([s.seconds - s.original_seconds for s in settled[-RECENT_STEPS:]])
    return float(usual * (config.steps - done) + each_new * new[done - first:].sum())


def new_prompts(config: FinetuneConfig, first: int) -> np.ndarray:
    """Expected number of originals to be painted in each step after `first`, float [steps left].

    Each round visits every prompt once, with one of `noise_batches` batches by chance; a resumed run starts anew.
    """
    visits = np.arange((config.steps - first) * config.prompts_per_step) // max(len(config.prompts), 1)
    known = 1 - 1 / config.noise_batches if config.noise_batches else 1.0
    return (known ** visits).reshape(-1, config.prompts_per_step).sum(1)
