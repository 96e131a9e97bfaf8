"""A judge double for pictures made elsewhere, and pictures for it: real files, read by the real code."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from torch import Tensor

from fairness_core.critics.faces import Faces
from fairness_core.pictures.judge_entries import available_judges, usable_judge
from fairness_core.pictures.judged import Judged, Progress
from fairness_core.pictures.judges import Judge
from fairness_core.pictures.judging import judge_pictures
from fairness_core.settings.attributes import load_attributes

RED, BLUE, BLACK = (200, 60, 60), (60, 60, 200), (0, 0, 0)  # perceived as female, as male, as no face at all


class ColourClassifier:
    """Red crops are female, blue ones male; race and age are unsure."""

    crop_size, aligned = 8, False
    heads_config = {name: list(a.class_names) for name, a in load_attributes().items()}

    def probabilities(self, crops: Tensor) -> dict[str, Tensor]:
        red = (crops[:, 0] > crops[:, 2]).float().mean((1, 2))
        told = {name: torch.full((len(crops), len(classes)), 1 / len(classes)) for name, classes in self.heads_config.items()}
        return told | {"gender": torch.stack([.05 + .9 * red, .95 - .9 * red], 1)}


def colour_faces(images: Tensor) -> list[Faces]:
    """A face in each half of a picture that is twice as wide as high, one in the middle of any other, none in the dark."""
    height, width = images.shape[-2:]
    halves = 2 if width >= 2 * height else 1
    boxes = [[width / halves * i + 2, 2.0, width / halves * (i + 1) - 2 - 2 * i, height - 2.0 - 2 * i] for i in range(halves)]
    return [Faces(torch.ones(len(own), dtype=torch.bool), torch.tensor(own).view(-1, 4))
            for own in (boxes if image.mean() > -.9 else [] for image in images)]


def colour_judge(name: str = "built-in") -> Judge:
    return Judge(usable_judge(name, available_judges()), colour_faces, ColourClassifier(), torch.device("cpu"))


def fake_audit(seconds: float) -> Callable[..., Iterator[Progress | Judged]]:
    """As the engine's, with a pause before each thing that is told."""
    def audit(paths: Sequence[Path], judge: str, *how) -> Iterator[Progress | Judged]:
        for told in judge_pictures(paths, colour_judge(judge), *how):
            time.sleep(seconds)
            yield told
    return audit


def picture(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (32, 32), **text: str) -> Path:
    """A picture of one colour; text: what is written into a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chunks = PngImagePlugin.PngInfo()
    for name, value in text.items():
        chunks.add_text(name, value)
    kind = {} if path.suffix.lower() != ".png" else {"pnginfo": chunks}
    Image.fromarray(np.full((size[1], size[0], 3), colour, np.uint8)).save(path, **kind)
    return path


def folder_of_pictures(root: Path, concepts: dict[str, Sequence[tuple[int, int, int]]]) -> Path:
    """A folder a concept, with a picture of each colour."""
    for concept, colours in concepts.items():
        for i, colour in enumerate(colours):
            picture(root / concept / f"{i:02d}.png", colour)
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with ZipFile(path, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return path
