"""One result as a picture to hand on: pairs of the same noise, the figure with its interval, the target, where from."""

import numpy as np
from PIL import Image, ImageDraw

from fairness_core.annotate import font
from fairness_core.plots import concept_name
from fairness_core.report.model_names import public_name, registered
from fairness_core.report.record import target_if_any
from fairness_core.report.shares import controlled_shares, headline
from fairness_core.results import PromptComparison
from fairness_core.settings.config import FinetuneConfig

WIDTH, HEIGHT, EDGE = 1200, 630, 48  # what pages that show a link make room for
MOST_PAIRS, LARGEST, GAP = 8, 161, 10  # of the pictures, in pixels
LABEL, SMALL_PRINT = 84, 76  # room left of the pictures, and below them
PAPER, INK, FAINT = "#fbfbf9", "#1b1c1e", "#5c6066"
MADE_WITH = "Made with Fair Portraits · method: Shen et al., ICLR 2024 (arXiv 2311.07604)"
SMALLEST = 14


def share_card(comparison: PromptComparison, config: FinetuneConfig, recorded: bool = False, date: str = "") -> Image.Image:
    """One prompt's first pairs and figures, RGB of WIDTH x HEIGHT pixels.

    recorded: the run ships with the app, and the card says so; date: when it was made, empty if unknown.
    """
    card = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(card)
    write(draw, EDGE, 36, f"“{concept_name(comparison.prompt)}”{' ★' if comparison.held_out else ''}", 40, bold=True)
    top = 98
    for main, small in told(comparison, config):
        write(draw, EDGE, top, main, 30)
        write(draw, EDGE, top + 38, small, 17, FAINT)
        top += 68
    shown = pictures(card, draw, comparison, max(top + 6, 176))
    for i, line in enumerate(origin(comparison, config, shown, recorded, date)):
        write(draw, EDGE, HEIGHT - 62 + 24 * i, line, 17, FAINT)
    return card


def told(comparison: PromptComparison, config: FinetuneConfig) -> list[tuple[str, str]]:
    """A sentence for each controlled attribute, and its intervals; of a run without a target, that it has none."""
    if target_if_any(config) is None:
        return [("No target: the original model beside an adapter.", "")]
    faces = [int(images.found.sum()) for images in (comparison.original, comparison.tuned)]
    heads = [headline(shares) for shares in controlled_shares(comparison, config).values()]
    return [(f"Perceived: {head.sentence}",
             f"95 % intervals {head.intervals[0] or '–'} before, {head.intervals[1] or '–'} after; "
             f"{faces[0]} and {faces[1]} faces") for head in heads]


def origin(comparison: PromptComparison, config: FinetuneConfig, shown: int, recorded: bool, date: str) -> list[str]:
    """Which model painted, which pictures these are (the first `shown`), and what the card was made with."""
    model = registered(config.model)
    facts = [model.label if model else public_name(config.model), "a recorded run" if recorded else "", date,
             f"the first {shown} of {len(comparison.original.numbers)} pairs, same noise in a column",
             "★ not finetuned on" if comparison.held_out else ""]
    return [" · ".join(filter(None, facts)), MADE_WITH + " · classes as perceived by a classifier, which errs"]


def pictures(card: Image.Image, draw: ImageDraw.ImageDraw, comparison: PromptComparison, top: int) -> int:
    """A row before and a row after, as large as the room from `top` to the small print lets them be; how many each."""
    side = min(LARGEST, (HEIGHT - SMALL_PRINT - top - GAP) // 2)
    shown = min(MOST_PAIRS, (WIDTH - 2 * EDGE - LABEL + GAP) // (side + GAP), comparison.original.shown)
    for row, (name, images) in enumerate((("Before", comparison.original), ("After", comparison.tuned))):
        y = top + row * (side + GAP)
        write(draw, EDGE, y + side // 2 - 12, name, 20, FAINT, width=LABEL - 8)
        for column, picture in enumerate(images.images[:shown]):
            card.paste(fitted(picture, side), (EDGE + LABEL + column * (side + GAP), y))
    return shown


def fitted(picture: np.ndarray, side: int) -> Image.Image:
    """uint8 [h, w, 3] as a square of `side` pixels, its middle where it is not square."""
    image = Image.fromarray(picture)
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return image.crop((left, top, left + edge, top + edge)).resize((side, side), Image.Resampling.LANCZOS)


def write(draw: ImageDraw.ImageDraw, x: int, y: int, text: str, size: int, ink: str = INK, bold: bool = False,
          width: int = WIDTH - 2 * EDGE) -> None:
    """One line that fits into `width`: smaller letters where it is long, cut off where even those do not help."""
    while size > SMALLEST and draw.textlength(text, font=font(size)) > width:
        size -= 1
    while draw.textlength(text, font=font(size)) > width:
        text = text[:-2].rstrip() + "…"
    draw.text((x, y), text, font=font(size), fill=ink, stroke_width=size / 60 if bold else 0, stroke_fill=ink)
