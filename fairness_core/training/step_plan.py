"""What a step of a finetune works on, and at which rate: functions of its number alone, so that a run can be resumed."""

import numpy as np

from fairness_core.settings.config import FinetuneConfig


def prompts_of_step(config: FinetuneConfig, step: int) -> list[str]:
    """The prompts in a new random order every round, `prompts_per_step` at a time."""
    chosen = []
    for i in range(step * config.prompts_per_step, (step + 1) * config.prompts_per_step):
        order = np.random.default_rng([config.seed, i // len(config.prompts)]).permutation(len(config.prompts))
        chosen.append(config.prompts[order[i % len(config.prompts)]])
    return chosen


def kept_prompts_of_step(config: FinetuneConfig, step: int) -> list[str]:
    """The next of the kept prompts, in turn; none where there are none."""
    kept = [prompt for prompt in config.kept_prompts if prompt not in config.prompts]
    return [kept[step % len(kept)]] if kept else []


def rate_at(config: FinetuneConfig, step: int) -> float:
    """The learning rate of a step: a function of the step alone, so that a resumed run goes on as it would have."""
    left = 1 - step / config.steps if config.learning_rate_schedule == "linear" else 1
    return config.learning_rate * left
