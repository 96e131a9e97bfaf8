"""Batched image augmentation on tensors: one affine warp, one colour change."""

import torch
from torch import Tensor
from torch.nn import functional as F


def random_views(
    images: Tensor, size: int, *, zoom: tuple[float, float] = (0.8, 1.0), shift: float = 0.1,
    degrees: float = 5.0, colour: float = 0.1, flip: bool = True, mode: str = "bilinear",
) -> Tensor:
    """Random crops of images [n, 3, h, w] in [-1, 1], resized to [n, 3, size, size].

    `zoom` is the share of the width kept, `shift` the largest move of the crop's
    centre (in half-widths), `colour` the spread of brightness and channel gains, `mode` how
    pixels are interpolated.
    """
    n, device = len(images), images.device
    uniform = lambda low, high: torch.rand(n, device=device) * (high - low) + low
    scale, angle = uniform(*zoom), torch.deg2rad(uniform(-degrees, degrees))
    mirror = torch.where(torch.rand(n, device=device) < 0.5, -1.0, 1.0) if flip else torch.ones(n, device=device)
    affine = torch.stack([
        torch.stack([mirror * scale * angle.cos(), -scale * angle.sin(), uniform(-shift, shift)], 1),
        torch.stack([mirror * scale * angle.sin(), scale * angle.cos(), uniform(-shift, shift)], 1),
    ], 1)
    grid = F.affine_grid(affine, (n, 3, size, size), align_corners=False)
    if images.shape[-1] >= 2 * size:
        images = F.avg_pool2d(images, images.shape[-1] // size)
    views = F.grid_sample(images, grid, mode=mode, padding_mode="reflection", align_corners=False)
    gain = 1 + colour * torch.randn(n, 3, 1, 1, device=device) * 0.5
    return (views * gain + colour * torch.randn(n, 1, 1, 1, device=device)).clamp(-1, 1)
