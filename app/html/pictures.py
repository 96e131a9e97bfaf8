"""Pictures as HTML: the film strip, and original beside debiased. Pure functions, pictures inline as webp."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from app.html.fragment import fragment
from app.html.legend import legend
from fairness_core.annotate import annotate_set
from fairness_core.events import FilmStrip
from fairness_core.metrics import percent
from fairness_core.plots import SURE, concept_name
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

FILM_IMAGES = 8
QUICK = 2  # of webp's efforts, 0 to 6: a page has a hundred pictures and somebody waits
FIRST_PAIRS = 18  # what is below the pictures must stay in reach


def film(strips: Sequence[FilmStrip], step: float) -> str:
    """Of each filmed prompt the same noises at the first strip's step and at about `step`, one row each."""
    places = sorted({strip.place for strip in strips})
    return fragment("film", prompts=[film_rows([s for s in strips if s.place == place], step) for place in places])


def film_rows(strips: Sequence[FilmStrip], step: float) -> tuple[str, list[tuple[int, list[str]]]]:
    """Of one prompt: its concept, and step and pictures of each row."""
    chosen = min(strips, key=lambda s: abs(s.step - step))
    shown = [strips[0]] if chosen is strips[0] else [strips[0], chosen]
    return concept_name(strips[0].prompt), [
        (strip.step, [data_uri(image) for image in strip.images[:FILM_IMAGES]]) for strip in shown]


def pairs(comparison: PromptComparison, shown: Sequence[str]) -> str:
    """Original left, debiased right, one card a noise; a card is a button that enlarges it. What words in the prompt do
    stands behind them where it was painted.

    shown: the attributes whose bars are drawn and whose classes the caption names.
    """
    sides = [annotate_set(images, shown) for images in (comparison.original, comparison.tuned)]
    worded = annotate_set(comparison.baseline.images, shown) if comparison.baseline else []
    cards = [card(comparison, i, [side[i] for side in (*sides, worded) if i < len(side)], shown) for i in range(len(sides[0]))]
    return fragment("pairs", concept=concept_name(comparison.prompt), legend=legend(shown), first=cards[:FIRST_PAIRS],
                    rest=cards[FIRST_PAIRS:], bars=len(shown),
                    pairs=len(cards), images=len(comparison.original.numbers))


def card(comparison: PromptComparison, i: int, pictures: Sequence[np.ndarray], shown: Sequence[str]) -> dict[str, Any]:
    """Number, and of both sides the picture, its size in pixels and what is perceived in it."""
    sides = [{"name": name, "picture": data_uri(picture), "perceived": said + perceived(images, i, shown),
              "width": picture.shape[1], "height": picture.shape[0]}
             for (name, said, images), picture in zip(named_sides(comparison, i), pictures)]
    return {"number": comparison.original.numbers[i], "sides": sides}


def named_sides(comparison: PromptComparison, i: int) -> list[tuple[str, str, ImageSet]]:
    """Original, debiased, and where it was painted what words in the prompt do, with what the prompt of picture i said."""
    baseline = comparison.baseline
    worded = [("words in the prompt", f"“{concept_name(baseline.prompts[i])}”: ", baseline.images)] if baseline else []
    return [("original", "", comparison.original), ("debiased", "", comparison.tuned), *worded]


def perceived(images: ImageSet, i: int, shown: Sequence[str]) -> str:
    """ "Female 97 %, Young 88 %" of the attributes shown (all when none is), or that no face was found."""
    if not images.found[i]:
        return "no face found"
    known, parts = load_attributes(), []
    for name in shown or known:
        if name in images.probabilities:
            p = images.probabilities[name][i]
            unsure = " (unsure)" if p.max() < SURE else ""
            parts.append(f"{known[name].classes[int(p.argmax())].label} {percent(p.max())}{unsure}")
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
