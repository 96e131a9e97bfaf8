"""Memory that a step frees is there for the next one, whichever way the process was started."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairness_core.hardware import allocator
from fairness_core.hardware.allocator import MALLOC, glibc_mallopt, tune_process

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = ("MALLOC_", "GOMP_", "OMP_", "GLIBC_TUNABLES")
on_glibc = pytest.mark.skipif(glibc_mallopt() is None, reason="another C library")

# A block twenty times, written to each time: what was freed is faulted in again where it was handed back. In a thread as
# well, for that is where the page trains.
FAULTS = """
import ctypes, resource, sys, threading
{tuned}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def work():
    for turn in range(21):
        if turn == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        block = libc.malloc({megabytes} << 20)
        ctypes.memset(block, 1, {megabytes} << 20)
        libc.free(block)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
if {threaded}:
    thread = threading.Thread(target=work); thread.start(); thread.join()
else:
    work()
"""
TUNED = "from fairness_core.hardware.allocator import tune_process; assert tune_process()"


def untold_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}


def faults(tuned: str, threaded: bool, megabytes: int) -> int:
    script = FAULTS.format(tuned=tuned, threaded=threaded, megabytes=megabytes)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=untold_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@on_glibc
@pytest.mark.parametrize(("threaded", "megabytes"), [(False, 80), (True, 80)])
def test_what_is_freed_is_not_faulted_in_again(threaded, megabytes):
    pages = 20 * megabytes * 2**20 // os.sysconf("SC_PAGE_SIZE")
    assert faults("", threaded, megabytes) > pages / 2
    assert faults(TUNED, threaded, megabytes) < pages / 20


def test_what_the_environment_says_stays(monkeypatch):
    told = []
    monkeypatch.setattr(allocator, "glibc_mallopt", lambda: lambda option, value: told.append((option, value)) or 1)
    environment = {"MALLOC_ARENA_MAX": "8", "GOMP_SPINCOUNT": "5"}
    assert tune_process(environment)
    assert told == [MALLOC["MALLOC_MMAP_MAX_"], MALLOC["MALLOC_TRIM_THRESHOLD_"]]
    assert environment == {"MALLOC_ARENA_MAX": "8", "GOMP_SPINCOUNT": "5"}


@pytest.mark.parametrize("missing", [
    (os, "confstr", ValueError), (ctypes, "CDLL", OSError), (ctypes, "CDLL", TypeError), (os, "confstr", AttributeError)])
def test_another_c_library_is_left_alone(monkeypatch, missing):
    module, name, error = missing

    def fail(*_args):
        raise error
    monkeypatch.setattr(module, name, fail)
    environment = {}
    assert not tune_process(environment)
    assert environment == {"GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize("way", ["app.py", "fairness_core/__main__.py", "mini_world/__init__.py", "benchmarks/__init__.py"])
def test_every_way_in_tells_the_process_before_torch_is_loaded(way):
    """app.py is run without being the program: nothing is served. Once the process is told, there is no more to see."""
    run = f"import runpy; runpy.run_path({way!r}, run_name='looked_at')"
    if "__main__" in way:
        run = "from fairness_core import __main__ as command\ntry: command.main(['models', '--help'])\nexcept SystemExit: pass"
    script = ("import sys\nfrom fairness_core.hardware import allocator\n"
              "allocator.tune_process = lambda: sys.exit(print('told', 'torch' in sys.modules))\n" + run)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "told False" in done.stdout, done.stdout + done.stderr


def test_the_library_alone_tells_nothing():
    script = ("from fairness_core.hardware import allocator\nallocator.tune_process = lambda: print('told')\n"
              "from fairness_core import FinetuneConfig")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "", done.stderr
