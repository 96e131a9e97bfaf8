"""Faces are found, in portraits as they are and in harder ones, and nowhere else."""

import csv
from pathlib import Path

import pytest
import torch
from helpers.recorders import Counted, run_again
from torch.nn import functional as F

from fairness_core.critics.faces import Faces, largest_faces

PORTRAITS = Path(__file__).resolve().parents[2] / "portraits"
EYES_AND_MOUTH = (64, 64)  # a point inside every portrait's face


def test_labels_describe_every_portrait():
    rows = list(csv.DictReader((PORTRAITS / "labels.csv").open(encoding="utf-8")))
    assert {row["file_name"] for row in rows} == {path.name for path in PORTRAITS.glob("*.webp")}
    assert len({(row["gender"], row["race"], row["age"]) for row in rows}) == len(rows) == 12


def test_finds_the_face_in_every_portrait(detector, portraits):
    faces = detector(portraits)
    assert faces.found.all()
    left, top, right, bottom = faces.boxes.T
    x, y = EYES_AND_MOUTH
    assert ((left < x) & (x < right) & (top < y) & (y < bottom)).all()
    assert ((right - left > 30) & (right - left < 70) & (bottom - top > 40)).all()
    assert ((faces.boxes >= 0) & (faces.boxes <= 128)).all()


def test_one_image_alone_gives_the_same_box_as_in_a_batch(detector, portraits):
    torch.testing.assert_close(detector(portraits[4:5]).boxes, detector(portraits).boxes[4:5], atol=1.0, rtol=0)


def shrunk(portraits: torch.Tensor, side: int) -> torch.Tensor:
    """The portraits `side` pixels wide in the middle of a grey image."""
    small = F.interpolate(portraits, (side, side), mode="bilinear", antialias=True)
    before = (128 - side) // 2
    return F.pad(small, (before, 128 - side - before) * 2)


def test_the_second_try_finds_what_the_first_misses(detector, portraits):
    images = shrunk(portraits, 36)
    first, faces = Faces(*largest_faces(detector.first, images)), detector(images)
    assert first.found.sum() <= 6
    assert faces.found.sum() >= 11
    assert torch.equal(faces.boxes[first.found], first.boxes[first.found])
    again = faces.boxes[faces.found & ~first.found]
    width = again[:, 2] - again[:, 0]
    assert ((width > 8) & (width < 24)).all()  # about a third of 128-pixel portraits: back in the image's own pixels
    centre = (again[:, :2] + again[:, 2:]) / 2
    assert ((centre - 64).abs() < 12).all()


def test_images_without_face_are_not_found_and_do_not_disturb_the_others(detector, portraits):
    noise = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    faces = detector(torch.cat([noise, portraits[:2]]))
    assert faces.found.tolist() == [False, False, True, True]
    assert (faces.boxes[:2] == 0).all()


@pytest.mark.parametrize("images", [
    torch.zeros(3, 3, 128, 128),
    torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(1)),
    torch.full((2, 3, 64, 64), float("nan")),
    torch.zeros(2, 3, 16, 16)], ids=["grey", "noise", "not a number", "too small"])
def test_a_batch_without_any_face_is_no_error(detector, images):
    faces = detector(images)
    assert not faces.found.any() and (faces.boxes == 0).all() and len(faces.boxes) == len(images)


def test_the_largest_of_two_faces_is_taken(detector, portraits):
    both = torch.zeros(1, 3, 128, 256)
    both[:, :, :, :128] = shrunk(portraits[:1], 100)
    both[:, :, :, 128:] = portraits[1:2]
    assert detector(both).boxes[0, 0] > 128


def test_landmarks_are_where_a_face_has_them(detector, portraits):
    faces = detector(torch.cat([portraits, shrunk(portraits, 36), torch.zeros(1, 3, 128, 128)]))
    landmarks, boxes = faces.landmarks[faces.found], faces.boxes[faces.found]
    assert (landmarks >= boxes[:, None, :2]).all() and (landmarks <= boxes[:, None, 2:]).all()
    left_eye, right_eye, nose, mouth_left, mouth_right = landmarks.unbind(1)
    assert (left_eye[:, 0] < right_eye[:, 0]).all() and (mouth_left[:, 0] < mouth_right[:, 0]).all()
    assert (nose[:, 1] > left_eye[:, 1]).all() and (nose[:, 1] < mouth_left[:, 1]).all()
    assert (faces.landmarks[~faces.found] == 0).all()


def test_a_recorded_first_look_finds_the_same(detector, portraits, monkeypatch):
    batches = [shrunk(portraits, side) for side in (36, 100, 128, 64)]
    expected = [detector(images) for images in batches]
    counted = Counted(monkeypatch, run_again)
    for images, plain in zip(batches, expected):
        found = detector(images)
        assert all(torch.equal(getattr(found, name), getattr(plain, name)) for name in ("found", "boxes", "landmarks"))
    assert counted.times == 1
