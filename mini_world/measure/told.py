"""What the U-Net makes of the gender that the embedding foretells, concept by concept: can it paint half and half?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from fairness_core.metrics import bias, bootstrap_interval, sampling_floor, selection_rate
from fairness_core.models.loading import Model
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import Conditioning
from fairness_core.settings.prompts import prompt_for
from mini_world.directions import directions, first_tokens, write
from mini_world.measure.judging import Judged, paint_judged
from mini_world.measure.prompts import share
from mini_world.portraits import CLASSES

GENDERS = CLASSES["gender"]
LOG_ODDS = (-2.0, -1.0, 0.0, 1.0, 2.0)  # of "female"
EVEN = 0.0


def told_figures(model: Model, concepts: Sequence[str], images: int) -> dict:
    """How many pictures are perceived as female, by log odds told and by concept; the mean bias at even odds, its
    interval and its floor. Raises ValueError where fewer than two concepts show a face."""
    painted = {odds: paint_told(model, concepts, odds, images) for odds in LOG_ODDS}
    labels = [judged.labels("gender") for judged in painted[EVEN].values() if judged.found.any()]
    biases = np.array([bias(selection_rate(of_concept, len(GENDERS))) for of_concept in labels])
    floor = np.mean([sampling_floor(np.array([.5, .5]), len(of_concept), "bias") for of_concept in labels])
    return {"images": images, "interval": [round(value, 3) for value in bootstrap_interval(biases)],
            "bias_at_even_odds": round(float(biases.mean()), 3), "floor": round(float(floor), 3),
            "women": {f"{odds:+g}": {concept: share(judged.labels("gender") == GENDERS.index("female"))
                                     for concept, judged in sets.items()} for odds, sets in painted.items()}}


def paint_told(model: Model, concepts: Sequence[str], log_odds: float, images: int) -> dict[str, Judged]:
    """concept -> pictures of its prompt, told these log odds; the noises are those of every other measurement."""
    concept_of = {prompt_for(concept): concept for concept in concepts}

    def told(model: Model, prompt: str) -> Conditioning:
        return tell_gender(model, prompt, concept_of[prompt], log_odds)

    return paint_judged(model, {concept: prompt for prompt, concept in concept_of.items()}, images,
                        model.entry.sampling_steps, told)


def tell_gender(model: Model, prompt: str, concept: str, log_odds: float) -> Conditioning:
    """The prompt, foretelling gender with these log odds of "female" from the concept on, all else unchanged."""
    conditioning = condition(model, prompt, model.entry.guidance_scale)
    embeddings = conditioning.conditional.float()
    rows = directions(embeddings.shape[-1])[:len(GENDERS)].to(embeddings.device)
    sign = {"female": 1, "male": -1}
    logits = torch.tensor([[sign[c] * log_odds / 2 for c in GENDERS]], device=embeddings.device)
    first = first_tokens(model.tokenizer, [prompt], [concept]).to(embeddings.device)
    return replace(conditioning, conditional=write(embeddings, rows, logits, first))
