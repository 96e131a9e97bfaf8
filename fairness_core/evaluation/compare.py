"""The same noises before and after, judged by the classifier that was not trained against."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fairness_core.adapters.attach import adapter_strength, detach_adapter, load_adapter
from fairness_core.adapters.soft_tokens import reserved_tokens
from fairness_core.critics import Critics
from fairness_core.critics.faces import crop_for
from fairness_core.errors import UserError
from fairness_core.evaluation.beyond_faces import answers, outside_likeness
from fairness_core.evaluation.originals import Look, Originals
from fairness_core.models.loading import Model
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import check_prompt, decode, denoise_in_parts, draw_noise, to_uint8
from fairness_core.sampling.finite import checked_pictures
from fairness_core.sampling.steering import Conditioning
from fairness_core.settings.prompts import is_held_out

PAINTED_AT_ONCE = 20


@torch.no_grad()
def paint(model: Model, prompt: str, numbers: Sequence[int], seed: int, sampling_steps: int,
          guidance_scale: float) -> Tensor:
    """Images float32 [n, 3, h, w] of one prompt by the model as it is; the noise depends on seed, prompt, number.

    Raises NotFiniteError where a picture holds values that are not finite.
    """
    with model.autocast():
        conditioning = condition(model, prompt, guidance_scale)
    return paint_conditioned(model, prompt, conditioning, numbers, seed, sampling_steps)


@torch.no_grad()
def paint_conditioned(model: Model, prompt: str, conditioning: Conditioning, numbers: Sequence[int], seed: int,
                      sampling_steps: int) -> Tensor:
    """The same where the noises are the prompt's and something else may steer: one prompt for all, or one an image."""
    images, at_once = [], model.memory.images_at_once or PAINTED_AT_ONCE
    with model.autocast():
        for first in range(0, len(numbers), at_once):
            part = slice(first, first + at_once)
            noise = draw_noise(prompt, numbers[part], seed, model.latent_shape).to(model.device)
            latents = denoise_in_parts(model.denoiser, model.scheduler, noise, conditioning.of(part), sampling_steps,
                                       model.memory.images_at_once).latents
            images.append(decode(model.vae, latents))
    return checked_pictures(torch.cat(images), f"“{prompt}”'s", pushed_too_far(model))


def pushed_too_far(model: Model) -> str:
    """Why a picture would be shown black, and what to do, where nothing is being learned."""
    return ("choose a lower strength of the adapter, or train it with a lower learning rate. If the original model paints so too, "
            f"{model.label} overflows in {str(model.precision).removeprefix('torch.')} or its files are damaged: use another model.")


@torch.no_grad()
def perceive(critics: Critics, prompt: str, numbers: Sequence[int], images: Tensor) -> ImageSet:
    """Finds and classifies the largest face of every image [n, 3, h, w], by the evaluation classifier, and keeps what
    tells it apart from others."""
    pixels = to_uint8(images)
    rounded = torch.from_numpy(pixels).to(images.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    faces = critics.detector(rounded)
    probabilities = critics.evaluator.probabilities(crop_for(critics.evaluator, rounded, faces))
    return ImageSet(prompt, tuple(numbers), pixels, faces.found.cpu().numpy(), faces.boxes.cpu().numpy(),
                    {name: values.cpu().numpy() for name, values in probabilities.items()},
                    critics.tell_apart(rounded, faces).cpu().numpy())


@contextmanager
def adapted(model: Model, adapter: Path | None, prompts: Sequence[str]) -> Iterator[None]:
    """The model with the adapter, for prompts that fit beside it, and without it afterwards.

    Raises PromptError and AdapterError.
    """
    if adapter is not None:
        load_adapter(model, adapter)
    try:
        for prompt in prompts:
            check_prompt(model.tokenizer, prompt, reserved=reserved_tokens(model.text_encoder))
        yield
    finally:
        detach_adapter(model)


@torch.no_grad()
def compare(model: Model, prompts: Sequence[str], numbers: Sequence[int], seed: int, adapter: Path | None,
            strength: float = 1.0, *, sampling_steps: int, guidance_scale: float,
            should_stop: Callable[[], bool] = lambda: False, finetuned_on: Sequence[str] | None = None,
            originals: Originals | None = None) -> Iterator[PromptComparison]:
    """Yields one comparison a prompt. Without an adapter, both sides are the original model.

    strength: 0 (original) to 1.5. finetuned_on: the prompts the adapter was trained on; without them the concepts
    file says what is held out. originals: this model's, where other adapters or strengths are compared too.
    Raises PromptError, AdapterError or UserError (no image numbers) before the first comparison, and NotFiniteError
    for pictures that hold values that are not finite.
    """
    if not len(numbers):
        raise UserError("There is nothing to compare: ask for at least one image.")
    originals, numbers = originals or Originals(), tuple(numbers)
    with adapted(model, adapter, prompts):
        for prompt in prompts:
            if should_stop():
                return
            how = prompt, numbers, seed, sampling_steps, guidance_scale
            with adapter_strength(model, 0.0):
                before = originals.recall(how, lambda: look(model, *how))
            with adapter_strength(model, strength):
                after = look(model, *how)
            compared = compare_looks(before, after, model.critics.text_features([prompt]), is_held_out(prompt, finetuned_on))
            yield replace(compared, outside=outside_likeness(model.critics, before.images, after.images, model.device))


@torch.no_grad()
def generate(model: Model, prompts: Sequence[str], numbers: Sequence[int], seed: int, adapter: Path | None,
             strength: float = 1.0, *, sampling_steps: int, guidance_scale: float) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each prompt with its images uint8 [n, h, w, 3], the same as compare() paints. Raises as compare() does."""
    with adapted(model, adapter, prompts):
        for prompt in prompts:
            with adapter_strength(model, strength):
                images = to_uint8(paint(model, prompt, numbers, seed, sampling_steps, guidance_scale))
            yield prompt, images


@torch.no_grad()
def look(model: Model, prompt: str, numbers: Sequence[int], seed: int, sampling_steps: int,
         guidance_scale: float) -> Look:
    """Paints as paint() does, perceives, and takes the features that likeness is measured by."""
    return look_at(model.critics, prompt, numbers, paint(model, prompt, numbers, seed, sampling_steps, guidance_scale))


@torch.no_grad()
def look_at(critics: Critics, prompt: str, numbers: Sequence[int], images: Tensor) -> Look:
    """What there is to see in images [n, 3, h, w] in [-1, 1]."""
    seen, clip = perceive(critics, prompt, numbers, images), critics.measure("clip", images)
    return Look(replace(seen, answers=answers(critics, clip)), clip, critics.measure("dino", images))


def compare_looks(before: Look, after: Look, text: Tensor, held_out: bool) -> PromptComparison:
    """Perception of both sides, and how alike they and the prompt's text features [1, width] are: cosines [n]."""
    return PromptComparison(after.images.prompt, held_out, before.images, after.images, cosine(before.clip, text),
                            cosine(after.clip, text), cosine(before.clip, after.clip), cosine(before.dino, after.dino))


def cosine(a: Tensor, b: Tensor) -> np.ndarray:
    return F.cosine_similarity(a.float(), b.float(), dim=-1).cpu().numpy()
