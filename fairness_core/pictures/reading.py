"""A picture's bytes -> its pixels, and what its maker wrote into the file."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from fairness_core.pictures.limits import LIMITS, MEGA, PictureLimits, Unusable

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
LONGEST_SIDE = 1024  # pixels; larger pictures are shrunk: a face that counts has at least 40 of these
EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
ENCODINGS = {b"UNICODE\0": "utf-16-be", b"ASCII\0\0\0": "ascii", b"\0" * 8: "utf-8"}


@dataclass(frozen=True)
class Picture:
    """pixels: uint8 [h, w, 3], upright, at most LONGEST_SIDE on a side; size: width and height in the file, in pixels;
    text: what PNG's text chunks and the EXIF comment hold, by name ("UserComment" for the latter).
    """

    pixels: np.ndarray
    size: tuple[int, int]
    text: dict[str, str]


def read_picture(data: bytes, limits: PictureLimits = LIMITS) -> Picture:
    """Of an animation, the first picture; what is transparent becomes white. Raises Unusable with the reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata, and sizes that are checked here
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                return picture_of(opened, limits)
    except (Unusable, Image.DecompressionBombError) as error:
        raise error if isinstance(error, Unusable) else Unusable(too_many(limits)) from error
    except Exception as error:  # a damaged file raises whatever its decoder stumbles over
        raise Unusable("no picture that can be read: damaged, cut off, or of another kind than its name says") from error


def picture_of(opened: Image.Image, limits: PictureLimits) -> Picture:
    size = opened.size
    if size[0] * size[1] > limits.megapixels * MEGA:
        raise Unusable(too_many(limits))
    opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # of JPEG alone: decodes a large one small
    opened.load()
    upright = ImageOps.exif_transpose(opened)
    if upright.has_transparency_data:
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(white, upright)
    shown = upright.convert("RGB")
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BICUBIC)
    return Picture(np.asarray(shown), size, written(opened))


def too_many(limits: PictureLimits) -> str:
    return f"more than {limits.megapixels} megapixels: make it smaller"


def written(opened: Image.Image) -> dict[str, str]:
    """PNG's text chunks, and the comment where programs put the same into JPEG and WebP."""
    text = {name: value for name, value in opened.info.items() if isinstance(name, str) and isinstance(value, str)}
    comment = opened.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
    if isinstance(comment, bytes):
        encoding = ENCODINGS.get(comment[:8])
        text["UserComment"] = (comment[8:] if encoding else comment).decode(encoding or "utf-8", errors="replace").strip("\0")
    elif isinstance(comment, str):
        text["UserComment"] = comment
    return text


def thumbnail(pixels: np.ndarray, side: int) -> tuple[np.ndarray, float, tuple[int, int]]:
    """A picture uint8 [h, w, 3] fitted into a grey square uint8 [side, side, 3]: it, the scale, and where its left upper
    corner came to lie (x, y), so that a box goes along.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    small = Image.fromarray(pixels).resize((max(round(width * scale), 1), max(round(height * scale), 1)),
                                           Image.Resampling.LANCZOS)
    corner = ((side - small.width) // 2, (side - small.height) // 2)
    square = Image.new("RGB", (side, side), "#8a8d91")
    square.paste(small, corner)
    return np.asarray(square), scale, corner
