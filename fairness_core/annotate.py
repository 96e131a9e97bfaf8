"""Draws on a picture what the classifier perceives: face box, number, and bars of confidence beside it."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fairness_core.results import ImageSet
from fairness_core.settings.attributes import Attribute, AttributeClass, known_attribute

DEFAULT_SIZE = 256
PANEL, TRACK, INK, FAINT_INK, SHADE = "#f6f6f4", "#e1e2df", "#1b1c1e", "#63666a", (20, 21, 23)
PATTERN_STRENGTH = 0.62  # how white the lines of a class's pattern are

# plotly's names of patterns, as masks over the pixels of a bar: x from the left, y from the bottom, p the period
PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "": lambda x, y, p: np.zeros(np.broadcast_shapes(x.shape, y.shape), bool),
    "/": lambda x, y, p: (x - y) % p < p / 4,
    "\\": lambda x, y, p: (x + y) % p < p / 4,
    "x": lambda x, y, p: ((x - y) % p < 1) | ((x + y) % p < 1),
    "-": lambda x, y, p: (y % p < p / 4) & (x >= 0),
    "|": lambda x, y, p: (x % p < p / 4) & (y >= 0),
    "+": lambda x, y, p: (x % p < p / 5) | (y % p < p / 5),
    ".": lambda x, y, p: ((x + 2) % p < p / 4) & (y % p < p / 4),
}


@cache
def font(height: int) -> ImageFont.FreeTypeFont:
    """Pillow's built-in scalable face."""
    return ImageFont.load_default(size=height)


def short_labels(attribute: Attribute) -> tuple[str, ...]:
    """One letter a class, or two where one would be shared: F M, W A B I, Y O."""
    first = tuple(c.label[:1].upper() for c in attribute.classes)
    return first if len(set(first)) == len(first) else tuple(c.label[:2].capitalize() for c in attribute.classes)


def annotate(image: np.ndarray, number: int, found: bool, box: Sequence[float], probabilities: dict[str, np.ndarray],
             shown: Sequence[str], size: int = DEFAULT_SIZE) -> np.ndarray:
    """The picture `size` pixels high with its face box and number, and a panel of confidence bars to its right.

    image: uint8 [h, w, 3]; box: left top right bottom in the image's pixels; probabilities: attribute name ->
    [classes]; both are read only where `found`. shown: the attributes to draw bars for (none: no panel).
    Returns uint8 [size, width, 3]; the width depends on the image's shape, `size` and `shown` alone.
    Raises ValueError for an image of another type, an unknown attribute, or one without probabilities.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(f"annotate needs a uint8 image [h, w, 3]; this one is {image.dtype} {list(image.shape)}.")
    attributes = [known_attribute(name) for name in shown]
    picture = draw_picture(image, number, box if found else None, size)
    if not attributes:
        return np.asarray(picture)
    values = {a.name: confidences(a, probabilities) if found else np.zeros(len(a.classes)) for a in attributes}
    panel = draw_panel(attributes, values, found, size)
    together = Image.new("RGB", (picture.width + panel.width, size))
    together.paste(picture, (0, 0))
    together.paste(panel, (picture.width, 0))
    return np.asarray(together)


def annotate_set(image_set: ImageSet, shown: Sequence[str], size: int = DEFAULT_SIZE) -> list[np.ndarray]:
    """Every picture of a set annotated, all of one shape."""
    return [
        annotate(image_set.images[i], number, bool(image_set.found[i]), image_set.boxes[i],
                 {name: values[i] for name, values in image_set.probabilities.items()}, shown, size)
        for i, number in enumerate(image_set.numbers[:image_set.shown])
    ]


def contact_sheet(images: Sequence[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Images [h, w, 3] of one shape side by side, row by row, `gap` pixels of the panel's colour between them.

    Raises ValueError for no images, images of several shapes, or fewer than one column.
    """
    if not len(images) or columns < 1 or len({i.shape for i in images}) > 1:
        raise ValueError("A contact sheet needs at least one image, one shape for all, and at least one column.")
    height, width, _ = images[0].shape
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    paper = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), PANEL)
    for i, image in enumerate(images):
        paper.paste(Image.fromarray(image), (i % columns * (width + gap), i // columns * (height + gap)))
    return np.asarray(paper)


def confidences(attribute: Attribute, probabilities: dict[str, np.ndarray]) -> np.ndarray:
    """The probabilities of one attribute, checked and kept in [0, 1]."""
    values = np.asarray(probabilities.get(attribute.name, ()), float)
    if values.shape != (len(attribute.classes),):
        raise ValueError(f"{attribute.label} needs {len(attribute.classes)} probabilities, not {values.size}: "
                         "classify the image first, or leave the attribute out of `shown`.")
    return np.nan_to_num(values).clip(0, 1)


def draw_picture(image: np.ndarray, number: int, box: Sequence[float] | None, size: int) -> Image.Image:
    """The upscaled picture with its box (or a caption that there is no face) and its number."""
    scale = size / image.shape[0]
    picture = Image.fromarray(image).resize((round(image.shape[1] * scale), size), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture, "RGBA")
    if box is None:
        caption(draw, "no face", (picture.width // 2, size - round(size * 0.02)), "mb", size)
    else:
        corners = [round(float(value) * scale) for value in box]
        outline_box(draw, corners, picture.size, max(1, round(size / 128)))
    caption(draw, str(number), (round(size * 0.02), round(size * 0.02)), "lt", size)
    return picture


def outline_box(draw: ImageDraw.ImageDraw, corners: Sequence[int], limits: tuple[int, int], line: int) -> None:
    """A white line between two dark ones, kept inside the picture: seen on any background."""
    width, height = limits
    left, right = sorted(min(max(x, line), width - 1 - line) for x in corners[0::2])
    top, bottom = sorted(min(max(y, line), height - 1 - line) for y in corners[1::2])
    edge = max(1, line // 2)
    draw.rectangle((left - edge, top - edge, right + edge, bottom + edge), outline=(*SHADE, 170), width=line + 2 * edge)
    draw.rectangle((left, top, right, bottom), outline="white", width=line)


def caption(draw: ImageDraw.ImageDraw, text: str, place: tuple[int, int], anchor: str, size: int) -> None:
    """White text on a dark rounded label; anchor "lt" or "mb" says which point of the label `place` is."""
    face = font(round(size * 0.085))
    pad, height = round(size * 0.025), round(size * 0.115)
    width = max(round(draw.textlength(text, font=face)) + 2 * pad, height)
    left = place[0] if anchor[0] == "l" else place[0] - width // 2
    top = place[1] if anchor[1] == "t" else place[1] - height
    draw.rounded_rectangle((left, top, left + width, top + height), radius=height // 4, fill=(*SHADE, 215))
    middle = (left + width / 2, top + height / 2 + size * 0.03)
    draw.text(middle, text, font=face, fill="white", anchor="ms", stroke_width=size / 640, stroke_fill="white")


def draw_panel(attributes: Sequence[Attribute], values: dict[str, np.ndarray], found: bool, size: int) -> Image.Image:
    """Bars of confidence, grouped by attribute: a full track is 1, a letter and a pattern name the class."""
    slot, gap, pad = round(size * 0.078), round(size * 0.047), round(size * 0.035)
    bars = sum(len(a.classes) for a in attributes)
    width = bars * slot + (len(attributes) - 1) * gap + 2 * pad
    panel = Image.new("RGB", (width, size), PANEL)
    draw = ImageDraw.Draw(panel)
    top, bottom, left = round(size * 0.05), round(size * 0.87), pad
    for attribute in attributes:
        for i, (cls, letter) in enumerate(zip(attribute.classes, short_labels(attribute), strict=True)):
            inset = max(1, slot // 10)
            draw_bar(panel, cls, float(values[attribute.name][i]), (left + inset, top, left + slot - inset, bottom))
            likeliest = found and i == values[attribute.name].argmax()
            bold, ink = (size / 500, INK) if likeliest else (0, FAINT_INK)
            face = font(round(size * 0.09 / len(letter) ** 0.5))
            draw.text((left + slot / 2, round(size * 0.965)), letter, font=face, fill=ink, anchor="ms",
                      stroke_width=bold, stroke_fill=ink)
            left += slot
        left += gap
    return panel


def draw_bar(panel: Image.Image, cls: AttributeClass, value: float, place: tuple[int, int, int, int]) -> None:
    """One bar of height `value` in [0, 1] on its track; place: left top right bottom."""
    left, top, right, bottom = place
    draw = ImageDraw.Draw(panel)
    draw.rectangle((left, top, right - 1, bottom - 1), fill=TRACK)
    height = round(value * (bottom - top))
    if not height:
        return
    draw.rectangle((left, bottom - height, right - 1, bottom - 1), fill=cls.colour)
    x, y = np.arange(right - left)[None], np.arange(height)[::-1, None]
    mask = PATTERNS.get(cls.pattern, PATTERNS[""])(x, y, max(4, (right - left) // 2))
    lines = Image.fromarray((mask * round(255 * PATTERN_STRENGTH)).astype(np.uint8))
    panel.paste(Image.new("RGB", lines.size, "white"), (left, bottom - height), lines)
