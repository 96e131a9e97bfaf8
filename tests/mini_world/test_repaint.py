"""Portraits painted again: the same people, softer, described in full."""

import csv
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fairness_core.settings.attributes import ASSETS
from mini_world.portraits import Portraits
from mini_world.repaint import full_caption, repaint

FOLDER = Path(__file__).resolve().parents[1] / "portraits"


def test_a_full_caption_names_everything():
    row = {"gender": "female", "race": "asian", "age": "old", "concept": "nurse"}
    captions = {full_caption(row, random.Random(seed)) for seed in range(20)}
    assert all(" female nurse, a person" in caption and "Asian" in caption for caption in captions)
    assert any("an old " in caption for caption in captions) and any("an elderly " in caption for caption in captions)


@pytest.mark.slow
def test_repainted_portraits_stay_the_same_picture():
    with (FOLDER / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:4]
    images = torch.stack([torch.from_numpy(np.array(Image.open(FOLDER / row["file_name"]).convert("RGB")))
                          for row in rows]).permute(0, 3, 1, 2)
    (painted,) = repaint(Portraits(images, rows), ASSETS / "mini", torch.device("cpu"))
    assert painted.dtype == torch.uint8 and painted.shape == images.shape
    difference = lambda a, b: (a.float() - b.float()).abs().mean().item()
    assert 0 < difference(painted, images) < difference(painted, images.roll(1, 0)) / 4
