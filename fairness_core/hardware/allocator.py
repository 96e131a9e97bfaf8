"""What the C library and OpenMP are told before torch is loaded: memory stays, and idle threads sleep.

Measured on two busy cores, a step of six images in a thread, as the page trains: shorter spins alone bring processor time
from 7 or 8 s to 2 s (on an idle machine there is less to gain). Memory that stays brings page faults of the third step from
2,000 to 4,000 to 28, which at this size is within the noise of the time; larger buffers have more to gain.

Called once by every way in (the page, the command line, mini_world, the benchmarks), never by the library itself: a
program that imports fairness_core decides about its own process.
"""

import ctypes
import os
from collections.abc import MutableMapping

# glibc's mallopt: its environment variable, its number in malloc.h, and the value. Buffers of any size come from the heap
# (0 of them from mmap), whose free end is never handed back (-1), so the next step finds its pages in place. What is never
# handed back must not pile up in a pool for every thread: visitors bring many. One pool for all, since those of other
# threads hand back blocks of over 64 MiB whatever is set.
MALLOC = {"MALLOC_MMAP_MAX_": (-4, 0), "MALLOC_TRIM_THRESHOLD_": (-1, -1), "MALLOC_ARENA_MAX": (-8, 1)}
# Threads that spin for long while they wait slow everything on a busy machine, many times over. Not to spin at all
# (OMP_WAIT_POLICY=PASSIVE) would make small models half as fast on a quiet one.
SPINS = "1000"


def tune_process(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Keeps freed memory for the next step, and lets idle threads sleep. Call it before torch is imported.

    What the environment already says about malloc or OpenMP stays as it is. Returns whether this C library could be told;
    False anywhere but on glibc, where nothing is changed but OpenMP's setting.
    """
    environment.setdefault("GOMP_SPINCOUNT", SPINS)
    mallopt = glibc_mallopt()
    if mallopt is None:
        return False
    return all([mallopt(*option) for name, option in MALLOC.items() if name not in environment])


def glibc_mallopt():
    """The function, or None on another C library (macOS, musl, Windows)."""
    try:
        os.confstr("CS_GNU_LIBC_VERSION")
        return ctypes.CDLL(None).mallopt
    except (AttributeError, ValueError, OSError, TypeError):
        return None
