"""Stand-ins that record on the CPU as a graph does on a GPU."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from fairness_core.hardware import recorded


def run_again(work, device):
    result = work()
    return result, lambda: copy_into(result, work())


def repeat_operations(work, device):
    """Nothing but the operations, on the tensors where they lie: what Python knew is forgotten."""
    operations = make_fx(work)()
    result = operations()
    return result, lambda: copy_into(result, operations())


def copy_into(results, values) -> None:
    for result, value in [(results, values)] if isinstance(results, torch.Tensor) else zip(results, values, strict=True):
        result.copy_(value)


BOTH_RECORDERS = pytest.mark.parametrize("recorder", [run_again, repeat_operations])


class Counted:
    """A recorder for the CPU that knows how often it was asked."""

    def __init__(self, monkeypatch, record=repeat_operations):
        self.times, self.record = 0, record
        monkeypatch.setitem(recorded.RECORDERS, "cpu", self)

    def __call__(self, work, device):
        self.times += 1
        return self.record(work, device)
