"""The moving average of parameters: corrected for its start, and gone after the block."""

import pytest
import torch
from torch import nn

from fairness_core.training.average import MovingAverage


def test_moving_average_is_corrected_for_its_start():
    parameter = nn.Parameter(torch.tensor([1.0]))
    average = MovingAverage.of([parameter], decay=0.9)
    with average.applied([parameter]):
        assert parameter.item() == 1.0  # without any update, they stay as they are
    shown = []
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            parameter.fill_(value)
        average.update([parameter])
        with average.applied([parameter]):
            shown.append(parameter.item())
        assert parameter.item() == value
    weighted = (0.81 * 1 + 0.9 * 2 + 4) / (0.81 + 0.9 + 1)
    assert shown == pytest.approx([1.0, (0.9 + 2) / 1.9, weighted])


def test_moving_average_gives_the_parameters_back_after_an_error():
    parameter = nn.Parameter(torch.tensor([1.0]))
    average = MovingAverage.of([parameter], decay=0.5)
    average.update([parameter])
    with torch.no_grad():
        parameter.fill_(3.0)
    with pytest.raises(RuntimeError), average.applied([parameter]):
        raise RuntimeError
    assert parameter.item() == 3.0
