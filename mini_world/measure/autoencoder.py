"""How well the autoencoder keeps a portrait."""

import torch

from fairness_core.models.loading import Model
from mini_world.portraits import Portraits, as_floats
from mini_world.train_autoencoder import psnr

PORTRAITS = 200


@torch.no_grad()
def autoencoder_psnr(model: Model, held_out: Portraits) -> float:
    """dB, mean over held-out portraits."""
    truth = as_floats(held_out.images[:PORTRAITS]).to(model.device)
    painted = torch.cat([model.vae.decode(model.vae.encode(part).latent_dist.mode()).sample
                         for part in truth.split(50)])
    return round(psnr(painted, truth), 2)
