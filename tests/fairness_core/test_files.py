"""A file is either whole or absent."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from fairness_core.files import write_atomically

ROOT = Path(__file__).resolve().parents[2]


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("first", "second"):
        write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
        assert path.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt(), RuntimeError("broke")])
def test_a_failure_leaves_the_earlier_file_and_no_litter(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("earlier", encoding="utf-8")

    def fail(part: Path) -> None:
        part.write_text("hal", encoding="utf-8")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, fail)
    assert path.read_text(encoding="utf-8") == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_oserror_for_safetensors_too(tmp_path):
    """safetensors has its own error; a limit on the file size stands in for the full disk."""
    path = tmp_path / "a.safetensors"
    path.write_text("earlier", encoding="utf-8")
    script = f"""
import pathlib, numpy
from safetensors.numpy import save_file
from fairness_core.files import write_atomically
try:
    write_atomically(pathlib.Path({str(path)!r}), lambda part: save_file({{"a": numpy.zeros(100_000)}}, part))
except OSError as error:
    print("OSError:", error)
"""
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, preexec_fn=limit, capture_output=True, text=True)
    assert done.stdout.startswith("OSError:") and "a.safetensors" in done.stdout, done.stderr
    assert path.read_text(encoding="utf-8") == "earlier" and list(tmp_path.iterdir()) == [path]
