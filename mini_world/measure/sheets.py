"""Contact sheets: small WebP files in sheets/, one labelled row a concept or prompt."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fairness_core.annotate import INK, PANEL, contact_sheet, font

GAP, LABEL_WIDTH, LABEL_HEIGHT, QUALITY = 4, 200, 16, 82
LINE_LETTERS = 22


def labelled_rows(rows: Mapping[str, np.ndarray]) -> Image.Image:
    """label -> pictures uint8 [n, h, w, 3], as one sheet with the labels at the left; as many pictures in every row."""
    columns = min(len(images) for images in rows.values())
    pictures = [image for images in rows.values() for image in images[:columns]]
    sheet = Image.fromarray(contact_sheet(pictures, columns, GAP))
    height = next(iter(rows.values())).shape[1] + GAP
    paper = Image.new("RGB", (LABEL_WIDTH + sheet.width, sheet.height), PANEL)
    paper.paste(sheet, (LABEL_WIDTH, 0))
    draw = ImageDraw.Draw(paper)
    for i, label in enumerate(rows):
        draw.multiline_text((4, i * height + 4), wrapped(label), fill=INK, font=font(LABEL_HEIGHT))
    return paper


def wrapped(label: str) -> str:
    lines = [""]
    for word in label.split():
        if len(lines[-1]) + len(word) >= LINE_LETTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def side_by_side(left: np.ndarray, right: np.ndarray, columns: int = 8) -> Image.Image:
    """Two sheets of pictures uint8 [n, h, w, 3] beside each other."""
    sheets = [Image.fromarray(contact_sheet(list(images), columns, GAP)) for images in (left, right)]
    paper = Image.new("RGB", (sum(s.width for s in sheets) + 6 * GAP, max(s.height for s in sheets)), PANEL)
    paper.paste(sheets[0], (0, 0))
    paper.paste(sheets[1], (sheets[0].width + 6 * GAP, 0))
    return paper


def spread(images: np.ndarray, count: int) -> np.ndarray:
    """`count` of the pictures, evenly spread over them; all of them when there are fewer."""
    return images[np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))]


def save(sheet: Image.Image, folder: Path, name: str) -> str:
    """Writes sheets/name.webp below `folder` and returns that path, relative, for the card's links."""
    (folder / "sheets").mkdir(parents=True, exist_ok=True)
    sheet.save(folder / "sheets" / f"{name}.webp", quality=QUALITY, method=6)
    return f"sheets/{name}.webp"
