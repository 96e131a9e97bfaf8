"""Many images as one lossy webp."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fairness_core.files import write_atomically
from fairness_core.runs.folder import RunError

WEBP_QUALITY, WEBP_LARGEST_SIDE = 90, 16383


def save_sheet(path: Path, images: np.ndarray, quality: int = WEBP_QUALITY) -> None:
    """Images uint8 [n, h, w, 3] as one lossy webp, about as many columns as rows. Raises RunError, OSError.

    quality: webp's, 0 to 100.
    """
    from diffusers.utils import make_image_grid  # slow to load, and who only reads runs need not wait for it

    n, height, width, _ = images.shape
    if n == 0:
        raise RunError("There are no images to save: generate at least one.")
    columns, rows = sheet_layout(n)
    if max(columns * width, rows * height) > WEBP_LARGEST_SIDE:
        raise RunError(f"{n} images of {width} x {height} are too many for one sheet: save fewer images a prompt.")
    blank = np.zeros((rows * columns - n, height, width, 3), np.uint8)
    picture = make_image_grid([Image.fromarray(image) for image in (*images, *blank)], rows, columns)
    write_atomically(path, lambda part: picture.save(part, format="WEBP", quality=quality))


def load_sheet(path: Path, shape: Sequence[int]) -> np.ndarray:
    """The inverse of save_sheet but for the loss: uint8 of `shape`. Raises RunError for a missing or foreign sheet."""
    n, height, width, channels = shape
    columns, rows = sheet_layout(n)
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise RunError(f"The images {path} cannot be read ({error}): restore the file, or compare again.") from error
    if pixels.shape != (rows * height, columns * width, channels):
        raise RunError(f"The images {path} are {pixels.shape[1]} x {pixels.shape[0]} pixels, not "
                       f"{columns * width} x {rows * height}: the file belongs to another run.")
    tiles = pixels.reshape(rows, height, columns, width, channels).swapaxes(1, 2)
    return tiles.reshape(rows * columns, height, width, channels)[:n].copy()


def sheet_layout(n: int) -> tuple[int, int]:
    """Columns and rows of a nearly square sheet of n images."""
    columns = math.isqrt(n - 1) + 1
    return columns, -(-n // columns)
