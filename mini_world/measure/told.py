"""What the U-Net makes of the gender that the embedding foretells, concept by concept: can it paint half and half?

A finetuned text encoder can do no better than say "either" of a concept; what is painted then is the U-Net's own lean.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fairness_core.conditioning import condition
from fairness_core.metrics import sampling_floor
from fairness_core.models import Model
from fairness_core.prompts import prompt_for
from fairness_core.sampling import decode, denoise, draw_noise, to_uint8
from mini_world.directions import directions, write
from mini_world.measure.judging import SEED, TOGETHER, judge
from mini_world.portraits import CLASSES

LOG_ODDS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # of "female"


def told_figures(model: Model, concepts: Sequence[str], images: int) -> dict:
    """Share of pictures perceived as female, by log odds told and by concept; the bias at even odds, and its floor."""
    shares = {str(odds): {concept: share_of_women(model, concept, odds, images) for concept in concepts}
              for odds in LOG_ODDS}
    at_even_odds = np.array(list(shares["0.0"].values()))
    return {"images": images, "share_of_women": shares,
            "bias_at_even_odds": round(float(np.abs(2 * at_even_odds - 1).mean()), 3),
            "floor": round(sampling_floor(np.array([.5, .5]), images, "bias"), 3)}


@torch.no_grad()
def share_of_women(model: Model, concept: str, log_odds: float, images: int) -> float:
    """Of pictures with a face; the noises are those of every other measurement."""
    prompt, pictures = prompt_for(concept), []
    for first in range(0, images, TOGETHER):
        numbers = range(first, min(first + TOGETHER, images))
        with model.autocast():
            conditioning = condition(model, prompt, model.entry.guidance_scale)
            told = tell_gender(model, conditioning.conditional, prompt, concept, log_odds)
            noise = draw_noise(prompt, numbers, SEED, model.latent_shape).to(model.device)
            latents = denoise(model.unet, model.scheduler, noise, replace(conditioning, conditional=told),
                              model.entry.sampling_steps).latents
            pictures.append(to_uint8(decode(model.vae, latents)))
    labels = judge(model.critics, np.concatenate(pictures)).labels("gender")
    return round(float((labels == CLASSES["gender"].index("female")).mean()), 3) if len(labels) else 0.0


def tell_gender(model: Model, embeddings: Tensor, prompt: str, concept: str, log_odds: float) -> Tensor:
    """Embeddings [1, tokens, width] that foretell gender with these log odds from the concept on, all else unchanged."""
    rows = directions(embeddings.shape[-1])[:len(CLASSES["gender"])].to(embeddings.device)
    sign = {"female": 1, "male": -1}
    logits = torch.tensor([[sign[c] * log_odds / 2 for c in CLASSES["gender"]]], device=embeddings.device)
    before = model.tokenizer(prompt[:prompt.index(concept)].strip()).input_ids
    return write(embeddings.float(), rows, logits, torch.tensor([len(before) - 1], device=embeddings.device))
