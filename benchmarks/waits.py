"""Where in this project's own code something happens, and every place of a piece of work that makes the host wait."""

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

OWN = "fairness_core"


def own_place() -> str:
    """File and line of the innermost frame of the engine's, such as "step.py:34"; "" where none runs."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if OWN in path.parts:
            return f"{path.name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


@contextmanager
def waits_of_gpu() -> Iterator[Counter]:
    """Counts by place what makes the host wait for the GPU outside may_wait(), without stopping at the first."""
    found, mode = Counter(), torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        others = warnings.showwarning

        def tell(message: Warning | str, *where: object) -> None:
            if "synchroniz" in str(message):
                found[f"{own_place()}: {message}"] += 1
            else:
                others(message, *where)

        warnings.showwarning = tell
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with torch.autograd.set_multithreading_enabled(False):  # or a backward pass would run in no frame of ours
                yield found
        finally:
            torch.cuda.set_sync_debug_mode(mode)
