"""The time that is left, against simulated runs whose first visits of a prompt cost more."""

import numpy as np
import pytest

from app.jobs.time_left import new_prompts, seconds_left
from fairness_core.events import StepDone
from fairness_core.settings.config import FinetuneConfig


def simulated(config: FinetuneConfig, seed: int, first: int = 0) -> list[StepDone]:
    """A warm-up, a usual step of 6 s with noise of 8 %, and 1.2 s for each original that is painted."""
    random, seen, done = np.random.default_rng(seed), set(), []
    order = []
    for step in range(first + 1, config.steps + 1):
        original = 0.0
        for _ in range(config.prompts_per_step):
            order = order or list(random.permutation(len(config.prompts)))
            batch = random.integers(config.noise_batches) if config.noise_batches else step
            visit = (order.pop(), batch)
            original += 0 if visit in seen else 1.2 * random.uniform(.9, 1.1)
            seen.add(visit)
        seconds = 6 * random.uniform(.92, 1.08) + original + (4 if step == first + 1 else 0)
        done.append(StepDone(step, config.steps, seconds, "x", {}, {}, 8, 8, original_seconds=original))
    return done


@pytest.mark.parametrize(("prompts", "per_step", "batches", "steps", "first"), [
    (16, 3, 1, 30, 0), (16, 3, 2, 30, 0), (32, 1, 1, 70, 0), (32, 1, 1, 210, 0), (24, 2, 4, 60, 0), (8, 1, 0, 40, 0),
    (16, 3, 1, 30, 12), (1, 1, 1, 12, 0)])
@pytest.mark.parametrize("seed", range(5))
def test_within_20_percent_after_five_steps(prompts, per_step, batches, steps, first, seed):
    config = FinetuneConfig(prompts=tuple(map(str, range(prompts))), prompts_per_step=per_step, noise_batches=batches,
                            steps=steps)
    run = simulated(config, seed, first)
    for done in range(5, len(run) - 1):
        left = sum(s.seconds for s in run[done:])
        assert seconds_left(run[:done], config) == pytest.approx(left, rel=.2), f"after {done} steps"


def test_an_older_run_that_did_not_tell_its_originals():
    steps = [StepDone(i, 10, 2.0, "x", {}, {}, 8, 8) for i in range(1, 5)]
    assert seconds_left(steps, FinetuneConfig(prompts=("x",), steps=10)) == pytest.approx(12)


def test_before_the_first_step_nothing_is_known():
    assert seconds_left([], FinetuneConfig()) is None


def test_every_prompt_is_new_once():
    config = FinetuneConfig(prompts=("a", "b", "c"), prompts_per_step=2, noise_batches=1, steps=4)
    assert new_prompts(config, 0).tolist() == [2, 1, 0, 0]
