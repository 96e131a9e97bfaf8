"""A second archive joins the training portraits; an error in the face counts more."""

import csv
import io
import zipfile

import pytest
import torch
from PIL import Image

from mini_world.portraits import Portraits, with_more
from mini_world.train_unet import FACE_WEIGHT, face_weights


@pytest.fixture
def archive(tmp_path):
    """One grey portrait, as the renderer writes it."""
    row = {"file_name": "060000.webp", "concept": "nurse", "gender": "female", "race": "asian", "age": "old",
           "glasses": "True", "smile": "0.5", "warm": "0.1", "yaw": "-0.2", "biased": "False"}
    table, picture = io.StringIO(), io.BytesIO()
    writer = csv.DictWriter(table, list(row))
    writer.writeheader()
    writer.writerow(row)
    Image.new("RGB", (128, 128), (90, 90, 90)).save(picture, "webp", lossless=True)
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as packed:
        packed.writestr("metadata.csv", table.getvalue())
        packed.writestr("060000.webp", picture.getvalue())
    return tmp_path / "more.zip"


def test_a_second_archive_comes_after_the_training_portraits(archive):
    first = Portraits(torch.zeros(2, 3, 128, 128, dtype=torch.uint8), [{"concept": "judge"}, {"concept": "chef"}])
    both = with_more(first, archive)
    assert [row["concept"] for row in both.rows] == ["judge", "chef", "nurse"] and len(both.images) == 3
    assert both.images[2].unique().tolist() == [90] and both.rows[2]["biased"] is False
    assert with_more(first, None) is first


def test_errors_in_the_face_count_more_and_the_mean_is_one():
    weights = face_weights()
    assert weights.mean().item() == pytest.approx(1)
    assert (weights[7, 8] / weights[0, 0]).item() == pytest.approx(FACE_WEIGHT)
