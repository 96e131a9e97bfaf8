"""Pictures as HTML: the film strip, and original beside debiased. Pure functions, pictures inline as webp."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from app.text import plain
from fairness_core.annotate import annotate, annotate_set
from fairness_core.events import FilmStrip
from fairness_core.plots import SURE, concept_name
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

FILM_IMAGES, LARGE = 8, 512
QUICK = 2  # of webp's efforts, 0 to 6: a page has a hundred pictures and somebody waits
FIRST_PAIRS = 18  # what is below the pictures must stay in reach


def film(strips: Sequence[FilmStrip], step: float) -> str:
    """The same noises after the first strip's steps and after about `step` steps, one row each."""
    if not strips:
        return ""
    chosen = min(strips, key=lambda s: abs(s.step - step))
    rows = "".join(map(film_row, [strips[0]] if chosen is strips[0] else [strips[0], chosen]))
    return (f'<figure class="film"><figcaption>The same noises, painted as the training goes on: '
            f"“{plain(concept_name(strips[0].prompt))}”</figcaption>"
            f'<div class="film-rows" tabindex="0" role="group" aria-label="Film strip">{rows}</div></figure>')


def film_row(strip: FilmStrip) -> str:
    images = "".join(
        f'<img src="{data_uri(image)}" alt="noise {i + 1} after {strip.step} steps" width="96" height="96">'
        for i, image in enumerate(strip.images[:FILM_IMAGES]))
    return f'<div class="film-row"><span>step {strip.step}</span>{images}</div>'


def pairs(comparison: PromptComparison, shown: Sequence[str]) -> str:
    """Original left, debiased right, one card a noise; a card is a button that enlarges it.

    shown: the attributes whose bars are drawn and whose classes the caption names.
    """
    sides = [annotate_set(images, shown) for images in (comparison.original, comparison.tuned)]
    cards = [card(comparison, i, [side[i] for side in sides], shown) for i in range(len(sides[0]))]
    first, rest = (f'<div class="pairs bars-{len(shown)}">' + "".join(part) + "</div>"
                   for part in (cards[:FIRST_PAIRS], cards[FIRST_PAIRS:]))
    if len(cards) <= FIRST_PAIRS:
        return first
    return f'{first}<details class="more-pairs"><summary>The other {len(cards) - FIRST_PAIRS} pairs</summary>{rest}</details>'


def card(comparison: PromptComparison, i: int, pictures: Sequence[np.ndarray], shown: Sequence[str]) -> str:
    number = comparison.original.numbers[i]
    before, after = (perceived(images, i, shown) for images in (comparison.original, comparison.tuned))
    images = "".join(
        f'<img src="{data_uri(picture)}" alt="{side} no. {number}: {text}" width="{picture.shape[1]}" '
        f'height="{picture.shape[0]}">'
        for picture, side, text in zip(pictures, ("original", "debiased"), (before, after)))
    return (f'<button type="button" class="pair" title="Enlarge no. {number}"><span class="sides">{images}</span>'
            f'<span class="caption">'
            f'<span><span class="side">Original: </span>{before}</span>'
            f'<span><span class="side">Debiased: </span>{after}</span></span></button>')


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


def large(comparison: PromptComparison, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Original and debiased of one noise with box and number, uint8 [512, w, 3] each."""
    first, second = (
        annotate(images.images[place], images.numbers[place], bool(images.found[place]), images.boxes[place], {}, (), LARGE)
        for images in (comparison.original, comparison.tuned))
    return first, second


def pair_words(comparison: PromptComparison, place: int, shown: Sequence[str]) -> str:
    """What the slider shows, for everyone and for screen readers."""
    before, after = (perceived(images, place, shown) for images in (comparison.original, comparison.tuned))
    return (f'<div class="note">“{plain(concept_name(comparison.prompt))}”, no. {comparison.original.numbers[place]}. '
            f"Left of the handle the original: {before}. Right of it the debiased picture: {after}.</div>")


def data_uri(image: np.ndarray) -> str:
    """uint8 [h, w, 3] inline: many small pictures, and none is left behind on the disk."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=85, method=QUICK)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
