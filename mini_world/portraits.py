"""Reads the archive of rendered portraits into memory and splits it."""

import csv
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

CLASSES = {
    "gender": ("female", "male"),
    "race": ("wmelh", "asian", "black", "indian"),
    "age": ("young", "old"),
}


@dataclass(frozen=True)
class Portraits:
    """images: uint8 [n, 3, 128, 128]; rows: one metadata dict an image, in the same order."""

    images: Tensor
    rows: list[dict]

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, indices: np.ndarray) -> "Portraits":
        return Portraits(self.images[indices], [self.rows[i] for i in indices])

    def labels(self, attribute: str) -> Tensor:
        """Class index of one attribute, int64 [n]."""
        classes = CLASSES[attribute]
        return torch.tensor([classes.index(row[attribute]) for row in self.rows])


def load_portraits(archive: Path) -> Portraits:
    """Reads portraits.zip (webp images and metadata.csv)."""
    with zipfile.ZipFile(archive) as packed:
        rows = list(csv.DictReader(io.TextIOWrapper(packed.open("metadata.csv"), encoding="utf-8")))
        files = [packed.read(row["file_name"]) for row in rows]
    with ThreadPoolExecutor() as workers:  # decoding leaves the interpreter's lock alone
        images = list(workers.map(pixels, files))
    for row in rows:
        row["biased"] = row["biased"] == "True"
        row["glasses"] = row["glasses"] == "True"
        for key in ("smile", "warm", "yaw"):
            row[key] = float(row[key])
    return Portraits(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), rows)


def pixels(file: bytes) -> np.ndarray:
    """uint8 [h, w, 3] of an image file."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def split(portraits: Portraits, held_out_share: float = 0.1) -> tuple[Portraits, Portraits]:
    """(training, held-out), the same split every time."""
    order = np.random.default_rng(7).permutation(len(portraits))
    n_held_out = int(len(portraits) * held_out_share)
    return portraits.subset(np.sort(order[n_held_out:])), portraits.subset(np.sort(order[:n_held_out]))


def with_more(training: Portraits, archive: Path | None) -> Portraits:
    """The training portraits, and all of a second archive where there is one."""
    if archive is None:
        return training
    more = load_portraits(archive)
    return Portraits(torch.cat([training.images, more.images]), training.rows + more.rows)


def as_floats(images: Tensor) -> Tensor:
    """uint8 [n, 3, h, w] -> float in [-1, 1]."""
    return images.float() / 127.5 - 1
