"""What a model takes of a GPU's memory, from shapes alone."""

import pytest
import torch
from torch import nn

from fairness_core.hardware.needs import kept


def test_what_is_kept_for_the_backward_pass_is_counted_once_and_without_weights():
    with torch.device("meta"):
        layer = nn.Linear(1000, 500, bias=False).requires_grad_(False)
        first = torch.zeros(250, 1000, requires_grad=True)
    assert kept(lambda: layer(first), layer) == 0, "a frozen layer needs its weights only"
    assert kept(lambda: (first * first).square(), layer) == pytest.approx(2 * 250 * 1000 * 4 / 1e9)
