"""Cartoons of people, in the place of a model's."""

import numpy as np
from PIL import Image, ImageDraw

SIZE = 128
SKINS = ((236, 200, 170), (240, 208, 160), (110, 70, 45), (165, 115, 75))


def portrait(random: np.random.Generator, gender: int, race: int, age: int, scene: tuple[int, int, int]) -> np.ndarray:
    """A cartoon: skin by race, long hair for female, grey for old. uint8 [128, 128, 3]."""
    picture = Image.new("RGB", (SIZE, SIZE), scene)
    draw = ImageDraw.Draw(picture)
    hair = (170, 170, 170) if age else tuple(int(c) for c in random.integers(20, 90, 3))
    draw.ellipse((20, 92, 108, 170), fill=tuple(255 - c for c in scene))
    draw.rounded_rectangle((36, 18, 92, 100 if gender == 0 else 50), 24, fill=hair)
    draw.ellipse((42, 28, 86, 88), fill=SKINS[race])
    for x in (54, 74):
        draw.ellipse((x - 3, 52, x + 3, 58), fill=(30, 30, 30))
    draw.arc((54, 60, 74, 78), 20, 160, fill=(150, 60, 60), width=3)
    return np.array(picture)
