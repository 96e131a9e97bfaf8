"""How much memory a piece of work takes at its peak, on top of what was there before. Run it in a fresh process."""

import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path

import torch

MEGABYTE = 2**20
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
HOW = {
    "cuda": "peak of torch's CUDA allocator during the second iteration, less what it held before",
    "cpu": "peak resident memory (VmHWM) of a fresh process during the second iteration, less what was resident before",
}


def peak_megabytes(work: Callable[[], object], device: torch.device) -> float | None:
    """Peak minus start, in MiB; None on a processor whose system does not keep a peak that can be reset (not Linux)."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / MEGABYTE
    if sys.platform != "linux":
        return None
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # memory that is free already shall not hide what the work takes
    RESET.write_text("5", encoding="utf-8")  # the peak starts again from here
    before = kilobytes("VmRSS")
    work()
    return (kilobytes("VmHWM") - before) / 1024


def kilobytes(name: str) -> int:
    [line] = [line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])
