"""Portraits painted again by the U-Net from some noise: as soft as what it paints, and who they show is still known."""

import random
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from mini_world.captions import AGE_WORDS, GENDER_WORDS, RACE_WORDS, with_article
from mini_world.loop import autocast
from mini_world.portraits import Portraits, as_floats
from mini_world.train_unet import NOISE

BATCH = 64
TIMESTEPS = (20, 450)  # of 1000: from more noise the U-Net paints somebody else


def full_caption(row: dict, rng: random.Random) -> str:
    """A caption that names age, race, gender and concept."""
    words = [rng.choice(AGE_WORDS[row["age"]]), rng.choice(RACE_WORDS[row["race"]]), *GENDER_WORDS[row["gender"]]]
    return f"a photo of the face of {with_article(' '.join([*words, row['concept']]))}, a person"


@torch.no_grad()
def repaint(portraits: Portraits, folder: Path, device: torch.device) -> Iterator[Tensor]:
    """Yields batches uint8 [n, 3, 128, 128] of the same people, each batch from a noise level between TIMESTEPS, by the
    trained parts in `folder`."""
    parts = {"dtype": torch.float32}
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", **parts).to(device).eval()
    vae = AutoencoderKL.from_pretrained(folder / "vae", **parts).to(device).eval()
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", **parts).to(device).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    signal = DDPMScheduler(**NOISE).alphas_cumprod.to(device)
    rng, generator = random.Random(0), torch.Generator().manual_seed(0)
    for start in range(0, len(portraits), BATCH):
        rows = portraits.rows[start:start + BATCH]
        ids = tokenizer([full_caption(row, rng) for row in rows], padding="max_length", return_tensors="pt").input_ids
        embeddings = text_encoder(ids.to(device)).last_hidden_state
        latents = vae.encode(as_floats(portraits.images[start:start + BATCH]).to(device)).latent_dist.mode()
        noise = torch.randn(latents.shape, generator=generator).to(device)
        first = rng.randint(*TIMESTEPS)
        latents = signal[first].sqrt() * latents + (1 - signal[first]).sqrt() * noise
        for timestep, then in ((first, first // 3), (first // 3, 0)):  # two steps of DDIM
            kept, lost = signal[timestep].sqrt(), (1 - signal[timestep]).sqrt()
            with autocast(device):
                velocity = unet(latents, torch.tensor(timestep), encoder_hidden_states=embeddings).sample.float()
            clean, noise = kept * latents - lost * velocity, lost * latents + kept * velocity
            latents = signal[then].sqrt() * clean + (1 - signal[then]).sqrt() * noise if then else clean
        yield ((vae.decode(latents).sample + 1) * 127.5).round().clamp(0, 255).byte().cpu()
