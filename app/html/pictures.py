"""Pictures as HTML: the film strip, and original beside debiased. Pure functions, pictures inline as webp."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from app.html.fragment import fragment
from fairness_core.annotate import annotate_set
from fairness_core.events import FilmStrip
from fairness_core.plots import SURE, concept_name
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

FILM_IMAGES = 8
QUICK = 2  # of webp's efforts, 0 to 6: a page has a hundred pictures and somebody waits
FIRST_PAIRS = 18  # what is below the pictures must stay in reach


def film(strips: Sequence[FilmStrip], step: float) -> str:
    """The same noises after the first strip's steps and after about `step` steps, one row each."""
    if not strips:
        return ""
    chosen = min(strips, key=lambda s: abs(s.step - step))
    shown = [strips[0]] if chosen is strips[0] else [strips[0], chosen]
    return fragment("film", concept=concept_name(strips[0].prompt),
                    rows=[(strip.step, [data_uri(image) for image in strip.images[:FILM_IMAGES]]) for strip in shown])


def pairs(comparison: PromptComparison, shown: Sequence[str]) -> str:
    """Original left, debiased right, one card a noise; a card is a button that enlarges it.

    shown: the attributes whose bars are drawn and whose classes the caption names.
    """
    sides = [annotate_set(images, shown) for images in (comparison.original, comparison.tuned)]
    cards = [card(comparison, i, [side[i] for side in sides], shown) for i in range(len(sides[0]))]
    return fragment("pairs", concept=concept_name(comparison.prompt), first=cards[:FIRST_PAIRS], rest=cards[FIRST_PAIRS:], bars=len(shown),
                    pairs=len(cards), images=len(comparison.original.numbers))


def card(comparison: PromptComparison, i: int, pictures: Sequence[np.ndarray], shown: Sequence[str]) -> dict[str, Any]:
    """Number, and of both sides the picture, its size in pixels and what is perceived in it."""
    sides = [{"name": name, "picture": data_uri(picture), "perceived": perceived(images, i, shown),
              "width": picture.shape[1], "height": picture.shape[0]}
             for name, images, picture in zip(("original", "debiased"), (comparison.original, comparison.tuned), pictures)]
    return {"number": comparison.original.numbers[i], "sides": sides}


def perceived(images: ImageSet, i: int, shown: Sequence[str]) -> str:
    """ "Female 97 %, Young 88 %" of the attributes shown (all when none is), or that no face was found."""
    if not images.found[i]:
        return "no face found"
    known, parts = load_attributes(), []
    for name in shown or known:
        if name in images.probabilities:
            p = images.probabilities[name][i]
            unsure = " (unsure)" if p.max() < SURE else ""
            parts.append(f"{known[name].classes[int(p.argmax())].label} {100 * p.max():.0f} %{unsure}")
    return ", ".join(parts)


def repainted(comparison: PromptComparison, strength: float, shown: Sequence[str]) -> str:
    """The debiased picture of a comparison of one pair, painted anew; the viewer takes it from the page."""
    tuned = comparison.tuned
    [picture] = annotate_set(tuned, shown)
    return fragment("repainted", picture=data_uri(picture), concept=concept_name(comparison.prompt), number=tuned.numbers[0],
                    words=f"Debiased at strength {strength:g}: {perceived(tuned, 0, shown)}")


def data_uri(image: np.ndarray) -> str:
    """uint8 [h, w, 3] inline: many small pictures, and none is left behind on the disk."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=85, method=QUICK)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
