"""The film strip: the same few noises painted again and again while the adapter learns, and who is seen in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from fairness_core.adapters.attach import adapter_strength
from fairness_core.evaluation.compare import perceive
from fairness_core.events import FilmStrip
from fairness_core.hardware.waiting import to_device
from fairness_core.sampling.conditioning import condition_all
from fairness_core.sampling.denoise import decode_in_parts, denoise_in_parts, draw_noise
from fairness_core.sampling.finite import checked_pictures
from fairness_core.training.start import Run

FILM_IMAGES, MOST_OF_A_PROMPT = 12, 6  # a strip must stay much cheaper than the steps between two of them


@torch.no_grad()
def film_strips(run: Run) -> Iterator[FilmStrip]:
    """A strip of every filmed prompt, from the first noises of its comparison, judged by the evaluation classifier.

    Step 0 is painted by the original, every later one by the averaged adapter.
    """
    prompts = run.config.filmed
    each = min(MOST_OF_A_PROMPT, FILM_IMAGES // len(prompts))
    with shown(run), run.model.autocast():
        images = paint_all(run, prompts, each)
    for place, prompt in enumerate(prompts):
        seen = perceive(run.model.critics, prompt, range(each), images[place * each:(place + 1) * each])
        yield FilmStrip(run.step, prompt, seen.images, place, seen.found, seen.probabilities)


@contextmanager
def shown(run: Run) -> Iterator[None]:
    """The model as it is shown after so many steps."""
    with run.average.applied(run.parameters), adapter_strength(run.model, 1.0 if run.step else 0.0):
        yield


def paint_all(run: Run, prompts: tuple[str, ...], each: int) -> Tensor:
    """Images [prompts * each, 3, h, w], prompt by prompt, painted as one batch.

    Raises NotFiniteError for pictures that are not finite.
    """
    model, config = run.model, run.config
    noise = torch.cat([draw_noise(prompt, range(each), config.seed, model.latent_shape) for prompt in prompts])
    prompt_of = torch.arange(len(prompts)).repeat_interleave(each)
    conditioning = replace(condition_all(model, prompts, config.guidance_scale), prompt_of=to_device(prompt_of, model.device))
    latents = denoise_in_parts(model.denoiser, model.scheduler, to_device(noise, model.device), conditioning, config.steps_shown,
                               model.memory.images_at_once).latents
    return checked_pictures(decode_in_parts(model.vae, latents), "the film strip's")
