"""Finding faces on rendered portraits, and the crop that carries gradient."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from fairness_core.faces import MtcnnDetector, crop_faces, crop_squares, largest_faces

PORTRAITS = Path(__file__).resolve().parents[1] / "portraits"
EYES_AND_MOUTH = (64, 64)  # a point inside every portrait's face


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    return MtcnnDetector(torch.device("cpu"))


@pytest.fixture(scope="module")
def portraits() -> torch.Tensor:
    """[12, 3, 128, 128] in [-1, 1]."""
    rows = list(csv.DictReader((PORTRAITS / "labels.csv").open()))
    pixels = np.stack([np.array(Image.open(PORTRAITS / row["file_name"]).convert("RGB")) for row in rows])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def ramp(height: int, width: int) -> torch.Tensor:
    """An image whose first channel is x, second y, third 1: what a crop shows tells where it was taken."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)])[None]


def test_labels_describe_every_portrait():
    rows = list(csv.DictReader((PORTRAITS / "labels.csv").open()))
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
    first, faces = largest_faces(detector.first, images), detector(images)
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


def test_squares_are_centred_and_wider_than_the_longer_side():
    squares = crop_squares(torch.tensor([[10.0, 20.0, 30.0, 60.0]]), margin=0.5)
    assert squares.tolist() == [[-10.0, 10.0, 50.0, 70.0]]


def test_a_crop_at_whole_pixels_is_a_plain_crop():
    images = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    side = 20 / 1.35  # with its margin, exactly 20 pixels
    centre = torch.tensor([[18.0, 22.0], [12.0, 25.0]])
    crops = crop_faces(images, torch.cat([centre - side / 2, centre + side / 2], 1), 10)
    plain = torch.stack([images[0, :, 12:32, 8:28], images[1, :, 15:35, 2:22]])
    torch.testing.assert_close(crops, F.avg_pool2d(plain, 2), atol=1e-4, rtol=1e-4)


def test_a_crop_shows_the_place_it_was_asked_for():
    crop = crop_faces(ramp(40, 60), torch.tensor([[20.0, 10.0, 30.0, 20.0]]), 8)[0]
    torch.testing.assert_close(crop[:2].mean((1, 2)), torch.tensor([25.0, 15.0]), atol=1e-3, rtol=0)
    assert crop[0, 0, -1] - crop[0, 0, 0] == pytest.approx(13.5 * 7 / 8, rel=1e-3)


def test_a_crop_over_the_border_repeats_the_edge():
    crop = crop_faces(ramp(40, 60), torch.tensor([[40.0, 0.0, 60.0, 20.0]]), 27)[0]  # 27 pixels from (36.5, -3.5)
    assert (crop[2] - 1).abs().max() < 1e-5  # nothing was filled in
    torch.testing.assert_close(crop[0, 13], (torch.arange(27) + 37.0).clamp(max=59.5), atol=0.3, rtol=0)
    torch.testing.assert_close(crop[1, :, 13], (torch.arange(27) - 3.0).clamp(min=0.5), atol=0.3, rtol=0)


def test_gradient_goes_through_the_crop_to_that_image_and_place_only():
    images = torch.randn(2, 3, 40, 40).requires_grad_()
    boxes = torch.tensor([[10.0, 10.0, 20.0, 20.0], [10.0, 10.0, 20.0, 20.0]])
    crop_faces(images, boxes, 8)[0].sum().backward()
    gradient = images.grad.abs().sum(1)
    assert gradient[1].sum() == 0
    assert gradient[0, 9:21, 9:21].min() > 0
    assert gradient[0, :7].sum() == 0 and gradient[0, 23:].sum() == 0


def test_a_crop_has_a_right_gradient():
    images = torch.randn(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    boxes, direction = torch.tensor([[0.0, 1.0, 4.0, 4.0]]), torch.randn(1, 1, 6, 6)
    weights = torch.randn(1, 1, 4, 4)
    leaf = images.clone().requires_grad_()
    (crop_faces(leaf, boxes, 4) * weights).sum().backward()
    difference = ((crop_faces(images + direction, boxes, 4) - crop_faces(images, boxes, 4)) * weights).sum()
    torch.testing.assert_close((leaf.grad * direction).sum(), difference, atol=1e-4, rtol=1e-4)


def test_an_image_without_face_has_a_finite_crop():
    crops = crop_faces(torch.rand(1, 3, 20, 20), torch.zeros(1, 4), 8)
    assert crops.shape == (1, 3, 8, 8) and torch.isfinite(crops).all()
