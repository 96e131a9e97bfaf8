"""Where the host may wait for the device in a step, and a mode in which it fails anywhere else.

On a GPU a wait costs more than the arithmetic it interrupts. What goes to the device is sent by to_device(), which does
not wait, numbers that never change once by constant(); what is read back is read inside may_wait().
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
from torch import Tensor

ALLOWED: ContextVar[bool] = ContextVar("may_wait", default=False)


@contextmanager
def may_wait() -> Iterator[None]:
    """One of the few places of a step that read numbers from the device."""
    before = ALLOWED.set(True)
    mode = torch.cuda.get_sync_debug_mode() if torch.cuda.is_initialized() else 0
    try:
        if mode:
            torch.cuda.set_sync_debug_mode("default")
        yield
    finally:
        if mode:
            torch.cuda.set_sync_debug_mode(mode)
        ALLOWED.reset(before)


@contextmanager
def no_waiting() -> Iterator[None]:
    """On a GPU, whatever makes the host wait outside may_wait() raises RuntimeError; for tests and measurements.

    Nothing waits on a CPU: there benchmarks.operations.failing() knows the operations that would.
    """
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Sent without waiting: the driver has read what lies in the host's memory before it returns."""
    return values.to(device, non_blocking=True)


@lru_cache(maxsize=128)
def constant(values: tuple, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers that never change on the device, sent there once; nobody may write into the tensor.

    torch.tensor(values, device=...) and new_tensor(values) make the host wait whenever they are called.
    """
    return to_device(torch.tensor(values, dtype=dtype), device)
