"""How fast a machine is, from one look."""

import pytest
import torch

from fairness_core.hardware import speed
from fairness_core.hardware.speed import REFERENCE_SECONDS, look_seconds, speed_of


def test_speed_is_the_ratio_to_the_reference():
    assert speed_of(REFERENCE_SECONDS, 2) == 1 and speed_of(4 * REFERENCE_SECONDS, 2) == 0.25
    assert speed_of(REFERENCE_SECONDS, 1) == 0.5 and speed_of(REFERENCE_SECONDS, 64) == 2, "a few threads help"


def test_a_look_leaves_the_threads_as_they_were(monkeypatch):
    monkeypatch.setattr(speed, "LOOKED_AT_SECONDS", 0.0)
    threads = torch.get_num_threads()
    assert 0 < look_seconds() < 5 and torch.get_num_threads() == threads


@pytest.mark.parametrize("has_gpu", [True, False])
def test_a_processor_tells_nothing_of_a_gpu(monkeypatch, has_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(speed, "look_seconds", lambda: REFERENCE_SECONDS)
    assert (speed.machine_speed.__wrapped__() is None) == has_gpu
