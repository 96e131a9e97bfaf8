"""A picture's pixels and text; what cannot be read says why."""

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from helpers.fake_pictures import picture
from PIL import Image

from fairness_core.pictures.limits import LIMITS, Unusable
from fairness_core.pictures.reading import LONGEST_SIDE, read_picture, thumbnail


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_every_kind_is_read_as_rgb(kind, mode):
    found = read_picture(encoded(Image.new("RGB", (40, 30), (200, 60, 60)).convert(mode).convert(
        "RGB" if kind in ("JPEG", "WEBP") else mode), kind))
    assert found.pixels.shape == (30, 40, 3) and found.pixels.dtype == np.uint8 and found.size == (40, 30)


def test_a_large_picture_is_shrunk_and_a_transparent_one_becomes_white():
    found = read_picture(encoded(Image.new("RGB", (3000, 1500)), "JPEG"))
    assert found.pixels.shape[:2] == (LONGEST_SIDE // 2, LONGEST_SIDE) and found.size == (3000, 1500)
    assert (read_picture(encoded(Image.new("RGBA", (8, 8), (9, 9, 9, 0)), "PNG")).pixels == 255).all()


def test_a_turned_photograph_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_picture(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif)).pixels.shape == (40, 20, 3)


def test_what_programs_write_is_found_in_png_and_in_exif(tmp_path):
    assert read_picture(picture(tmp_path / "a.png", parameters="a nurse").read_bytes()).text["parameters"] == "a nurse"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "eine Ärztin".encode("utf-16-be")
    for kind in ("JPEG", "WEBP"):
        assert read_picture(encoded(Image.new("RGB", (8, 8)), kind, exif=exif)).text["UserComment"] == "eine Ärztin"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claimed(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is as large as that."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(
        b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("data", "says"), [
    (b"", "no picture that can be read"), (b"\x89PNG\r\n\x1a\n", "no picture that can be read"),
    (b"<svg></svg>", "no picture"), (encoded(Image.new("RGB", (64, 64)), "JPEG")[:200], "no picture that can be read"),
    (claimed(9000, 9000), "more than 64 megapixels"), (claimed(60_000, 60_000), "more than 64 megapixels"),
    (claimed(0, 5), "no picture")])
def test_a_picture_that_cannot_be_read_says_why(data, says):
    with pytest.raises(Unusable, match=says):
        read_picture(data)


def test_the_limit_of_pixels_is_a_choice():
    with pytest.raises(Unusable, match="more than 0 megapixels"):
        read_picture(encoded(Image.new("RGB", (64, 64)), "PNG"), replace(LIMITS, megapixels=0))


def test_a_text_that_unpacks_to_a_gigabyte_is_refused():
    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(50_000_000)))
    data = claimed(4, 4)
    with pytest.raises(Unusable):
        read_picture(data[:33] + bomb + data[33:])


def test_a_thumbnail_keeps_the_shape_and_tells_where_a_box_goes():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[40:60, 100:120] = 255
    small, scale, (x, y) = thumbnail(pixels, 64)
    left, top = round(100 * scale + x), round(40 * scale + y)
    assert small.shape == (64, 64, 3) and small[top + 2, left + 2].min() > 200 and small[0, 0].max() < 200
