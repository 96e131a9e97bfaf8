"""Originals are painted once for all adapters and strengths compared with them, within a bound of memory."""

import numpy as np
import pytest
import torch

from fairness_core.evaluation import compare as evaluation
from fairness_core.evaluation.compare import compare
from fairness_core.evaluation.originals import Look, Originals
from fairness_core.results import ImageSet


def look_of(pixels: int) -> Look:
    images = ImageSet("a nurse", (0,), np.zeros(pixels, np.uint8), np.ones(1, bool), np.zeros((1, 4)), {})
    return Look(images, torch.zeros(1, 2), torch.zeros(1, 2))


def test_the_longest_unused_is_forgotten_beyond_the_bound():
    originals, made = Originals(most_bytes=250), []

    def recall(key: str) -> Look:
        return originals.recall(key, lambda: made.append(key) or look_of(100))

    for key in ("a", "b", "a", "c", "a", "b"):
        assert recall(key) is recall(key)
    assert made == ["a", "b", "c", "b"]


def test_more_than_the_bound_is_still_looked_at():
    assert Originals(most_bytes=10).recall("a", lambda: look_of(100)).images.images.nbytes == 100


@pytest.mark.parametrize(("changes", "painted"), [
    ({}, 3), ({"strength": 0.5}, 3), ({"seed": 1}, 4), ({"numbers": [0, 2]}, 4), ({"guidance_scale": 2.0}, 4),
    ({"sampling_steps": 2}, 4), ({"prompts": ["a chef"]}, 4)])
def test_a_second_comparison_paints_only_what_is_new(model, monkeypatch, changes, painted):
    calls, paint, originals = [], evaluation.paint, Originals()
    monkeypatch.setattr(evaluation, "paint", lambda *a: calls.append(a) or paint(*a))
    options = dict(prompts=["a nurse"], numbers=[0, 1], seed=0, adapter=None, sampling_steps=3, guidance_scale=3.0,
                   originals=originals)
    (first,), (second,) = list(compare(model, **options)), list(compare(model, **options | changes))
    assert len(calls) == painted
    if painted == 3:
        assert np.array_equal(first.original.images, second.original.images)
