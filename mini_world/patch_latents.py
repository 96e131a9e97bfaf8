"""Principal components of 8 x 8 patches: the latent space the autoencoder is taught.

A linear code is known before any training, so the U-Net can be trained on it while
the autoencoder's networks still learn to read and write it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

PATCH = 8


@dataclass(frozen=True)
class PatchCode:
    """mean [192], components [channels, 192], scale [channels]: a latent is a component times 1/scale."""

    mean: Tensor
    components: Tensor
    scale: Tensor

    def encode(self, images: Tensor) -> Tensor:
        """images [n, 3, h, w] in [-1, 1] -> latents [n, channels, h/8, w/8]."""
        patches = F.pixel_unshuffle(images, PATCH) - self.mean[:, None, None]
        return torch.einsum("npij,cp->ncij", patches, self.components / self.scale[:, None])

    def decode(self, latents: Tensor) -> Tensor:
        """The linear inverse, images [n, 3, h, w]."""
        patches = torch.einsum("ncij,cp->npij", latents * self.scale[:, None, None], self.components)
        return F.pixel_shuffle(patches + self.mean[:, None, None], PATCH)


def fit_patch_code(images: Tensor, channels: int) -> PatchCode:
    """Fits on images [n, 3, h, w] in [-1, 1].

    Scales are the square root of each component's deviation, normalised to unit
    mean variance: fine detail is lifted, but colour still weighs more.
    """
    patches = F.pixel_unshuffle(images, PATCH).permute(0, 2, 3, 1).reshape(-1, 3 * PATCH * PATCH)
    mean = patches.mean(0)
    centred = patches - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    deviation = values.flip(0)[:channels].sqrt()
    scale = deviation.sqrt()
    return PatchCode(mean, vectors.flip(1)[:, :channels].T.contiguous(), scale * (deviation / scale).square().mean().sqrt())
