"""Files that are either whole or absent."""

import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` on a temporary path beside `path`, then renames it into place.

    A killed process or a full disk leaves the earlier file intact.
    Raises OSError when the disk refuses, after removing the partial file.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except SafetensorError as error:  # safetensors reports a full disk as its own kind of error
        raise OSError(f"{path} could not be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
