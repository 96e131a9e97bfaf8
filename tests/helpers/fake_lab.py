"""A double of the gradient lab: curves of known shapes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fairness_core.gradient_lab.measure import GRADIENTS, LabSettings, LossPoint, ScalePoint


def fake_lab(seconds: float):
    def lab(model: Any, settings: LabSettings, should_stop: Callable[[], bool]) -> Iterator[LossPoint | ScalePoint]:
        for run in range(settings.noises):
            slope = np.linspace(0, 1, settings.sampling_steps) + .01 * run
            yield ScalePoint(run, np.arange(settings.sampling_steps)[::-1],
                             {"naive": 10 ** (3 - 3 * slope), "adjusted": 1 + .1 * slope, "unscaled": 2 - slope})
        for run in range(settings.runs):
            for gradient, speed in zip(GRADIENTS, (.01, .3, .15)):
                for step in range(settings.steps + 1):
                    if should_stop():
                        return
                    time.sleep(seconds)
                    yield LossPoint(gradient, run, step, float(np.exp(-speed * step)) + .01 * run)
    return lab
