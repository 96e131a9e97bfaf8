"""Finding faces on rendered portraits, and the crop that carries gradient."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.nn import functional as F
from torchvision.ops import roi_align

from fairness_core.critics.faces import ALIGNED_LANDMARKS, Faces, align_faces, crop_faces, crop_for, crop_squares


def ramp(height: int, width: int) -> torch.Tensor:
    """An image whose first channel is x, second y, third 1: what a crop shows tells where it was taken."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)])[None]


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


def some_boxes(n: int) -> torch.Tensor:
    """Boxes of several sizes and shapes, some over the border."""
    generator = torch.Generator().manual_seed(0)
    left_top = 50 * torch.rand(n, 2, generator=generator) - 5
    return torch.cat([left_top, left_top + 8 + 30 * torch.rand(n, 2, generator=generator)], 1)


def test_crops_of_a_batch_are_those_of_its_images_alone(portraits):
    boxes = some_boxes(len(portraits))
    alone = torch.cat([crop_faces(portraits[i:i + 1], boxes[i:i + 1], 32) for i in range(len(portraits))])
    torch.testing.assert_close(crop_faces(portraits, boxes, 32), alone, rtol=0, atol=1e-6)


def test_crops_are_those_of_torchvision_one_image_at_a_time(portraits):
    boxes = some_boxes(len(portraits))
    for image, square, crop in zip(portraits, crop_squares(boxes), crop_faces(portraits, boxes, 64)):
        padded = F.pad(image[None], [64] * 4, mode="replicate")
        plain = roi_align(padded, [square[None] + 64], output_size=64, sampling_ratio=2, aligned=True)[0]
        torch.testing.assert_close(crop, plain, rtol=0, atol=1e-3)


def test_a_small_crop_of_a_large_image_is_smooth():
    """A pattern finer than the crop's pixels averages out, where two samples a pixel would show it."""
    y, x = torch.meshgrid(torch.arange(512), torch.arange(512), indexing="ij")
    fine = (1 - 2.0 * ((x + y) // 2 % 2)).expand(1, 3, 512, 512)
    crop = crop_faces(fine, torch.tensor([[100.0, 100.0, 260.0, 260.0]]), 32)
    assert crop.abs().max() < 0.3


# ---------------------------------------------------------------- landmarks and alignment

def similar(points: torch.Tensor, degrees: float, scale: float, shift: tuple[float, float]) -> torch.Tensor:
    """Points [k, 2] turned about the origin, scaled and shifted."""
    c, s = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
    return points @ torch.tensor([[c, s], [-s, c]]) + torch.tensor(shift)


def test_an_aligned_crop_is_a_plain_resampling_image_by_image(portraits):
    template = torch.tensor(ALIGNED_LANDMARKS)
    turns = [(0.0, 40.0, (30.0, 35.0)), (25.0, 50.0, (60.0, 20.0)), (-70.0, 35.0, (20.0, 80.0))]
    landmarks = torch.stack([similar(template, *turn) for turn in turns])
    crops = align_faces(portraits[:3], landmarks, 16)
    places = (torch.arange(64) + 0.5) / 64  # four samples a crop pixel and side, in a crop of side 1
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), -1).view(-1, 2)
    for image, turn, crop in zip(portraits, turns, crops):
        x, y = (similar(grid, *turn) - 0.5).T.numpy()  # the middle of pixel 0 is at 0.5
        channels = [map_coordinates(c, [y, x], order=1, mode="nearest").reshape(64, 64) for c in image.numpy()]
        torch.testing.assert_close(crop, F.avg_pool2d(torch.tensor(np.stack(channels)), 4), rtol=0, atol=2e-3)


def test_alignment_undoes_turn_size_and_place(detector, portraits):
    """A face that is turned, smaller and elsewhere gives the crop of the upright one."""
    upright = detector(portraits[:1])
    angle, scale = math.radians(30), 0.6
    turn = torch.tensor([[math.cos(angle), -math.sin(angle), 0.1], [math.sin(angle), math.cos(angle), -0.2]]) / scale
    turned = F.grid_sample(portraits[:1], F.affine_grid(turn[None], (1, 3, 256, 256), align_corners=False),
                           padding_mode="border", align_corners=False)
    unit = upright.landmarks[0] / 64 - 1
    landmarks = ((torch.linalg.inv(turn[:, :2]) @ (unit - turn[:, 2]).T).T + 1) * 128
    found = align_faces(turned, landmarks[None], 32)
    torch.testing.assert_close(found, align_faces(portraits[:1], upright.landmarks, 32), rtol=0, atol=0.1)


def test_landmarks_off_the_template_are_fitted_by_least_squares():
    """No other turn, scale or shift brings the template nearer to the landmarks."""
    template = 2 * torch.tensor(ALIGNED_LANDMARKS) - 1
    noisy = similar(template, 15, 20, (30.0, 30.0)) + 2 * torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    design = torch.cat([torch.stack([template[:, 0], -template[:, 1], torch.ones(5), torch.zeros(5)], 1),
                        torch.stack([template[:, 1], template[:, 0], torch.zeros(5), torch.ones(5)], 1)])
    real, imaginary, left, top = torch.linalg.lstsq(design, noisy.T.reshape(-1, 1)).solution.flatten()
    crop = align_faces(ramp(64, 64), noisy[None], 9)[0]
    centre = torch.stack([left, top])
    torch.testing.assert_close(crop[:2, 4, 4], centre, atol=1e-2, rtol=0)
    torch.testing.assert_close(crop[:2, 4, 8] - crop[:2, 4, 4], torch.stack([real, imaginary]) * 8 / 9, atol=1e-2, rtol=0)


@pytest.mark.parametrize("crop", [lambda images: crop_faces(images, torch.tensor([[1.0, 2.0, 9.0, 9.0]] * 2), 6),
                                  lambda images: align_faces(images, torch.tensor([
                                      [[2.0, 4], [7, 3], [5, 6], [4, 9], [8, 8]], [[4.0, 4], [8, 6], [6, 7], [2, 8], [6, 10]]]), 6)])
def test_the_gradient_of_a_crop_is_that_of_finite_differences(crop):
    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    direction, weights = (torch.randn(*s, generator=torch.Generator().manual_seed(1)) for s in ((2, 3, 12, 12), (2, 3, 6, 6)))
    leaf = images.clone().requires_grad_()
    (crop(leaf) * weights).sum().backward()
    difference = ((crop(images + direction) - crop(images)) * weights).sum()  # a crop is linear in the image
    torch.testing.assert_close((leaf.grad * direction).sum(), difference, atol=1e-3, rtol=1e-3)
    assert leaf.grad.flatten(1).any(1).all()


def test_each_network_gets_the_crops_it_reads(portraits):
    landmarks = torch.tensor([[50.0, 50], [78, 50], [64, 66], [52, 82], [76, 82]]).expand(12, 5, 2)
    faces = Faces(torch.ones(12, dtype=torch.bool), torch.tensor([[40.0, 30, 88, 98]] * 12), landmarks)
    square, aligned = (SimpleNamespace(crop_size=20, aligned=choice) for choice in (False, True))
    assert torch.equal(crop_for(square, portraits, faces), crop_faces(portraits, faces.boxes, 20))
    assert torch.equal(crop_for(aligned, portraits, faces), align_faces(portraits, landmarks, 20))
    without = replace(faces, landmarks=None)
    assert torch.equal(crop_for(square, portraits, without), crop_for(square, portraits, faces))
    with pytest.raises(ValueError, match="no landmarks"):
        crop_for(aligned, portraits, without)


def test_an_image_without_face_has_a_finite_aligned_crop():
    crops = align_faces(torch.rand(1, 3, 20, 20), torch.zeros(1, 5, 2), 8)
    assert crops.shape == (1, 3, 8, 8) and torch.isfinite(crops).all()


def test_an_image_without_face_has_a_finite_crop():
    crops = crop_faces(torch.rand(1, 3, 20, 20), torch.zeros(1, 4), 8)
    assert crops.shape == (1, 3, 8, 8) and torch.isfinite(crops).all()
