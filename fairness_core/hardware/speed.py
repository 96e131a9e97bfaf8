"""How fast this machine is beside the one that presets were measured on, from a fifth of a second of typical work."""

import time
from functools import cache

import torch
from torch.nn import functional as F

from fairness_core.hardware.precision import fast_precision

REFERENCE_SECONDS, REFERENCE_THREADS = 0.0057, 2  # of one look, by one core of an AMD EPYC with bfloat16; it has two
MOST_THREADS = 4  # more hardly help so small a model
LOOKED_AT_SECONDS, FEWEST = 0.2, 3


@cache
def machine_speed() -> float | None:
    """1: as fast as two cores with bfloat16; 0.25: four times slower; None with a GPU, which no processor tells of."""
    if torch.cuda.is_available():
        return None
    return speed_of(look_seconds(), torch.get_num_threads())


def speed_of(seconds: float, threads: int) -> float:
    """seconds: of one core, for a look."""
    return REFERENCE_SECONDS / seconds * min(threads, MOST_THREADS) / REFERENCE_THREADS


@torch.no_grad()
def look_seconds() -> float:
    """Processor seconds of what a U-Net's block does, in the precision it would do it in; the fastest of some.

    One thread, by its own clock: what else the machine does at the moment does not count.
    """
    precision, generator = fast_precision(torch.device("cpu")), torch.Generator().manual_seed(0)
    images = torch.randn(8, 128, 16, 16, generator=generator).to(precision, memory_format=torch.channels_last)
    kernel = torch.randn(128, 128, 3, 3, generator=generator).to(precision, memory_format=torch.channels_last)
    threads, began, found = torch.get_num_threads(), time.perf_counter(), []
    torch.set_num_threads(1)
    try:
        while len(found) < FEWEST or time.perf_counter() - began < LOOKED_AT_SECONDS:
            start = time.thread_time()
            F.silu(F.group_norm(F.conv2d(images, kernel, padding=1), 32))
            found.append(time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return min(found)
