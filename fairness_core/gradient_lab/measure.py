"""The method's two figures on any loaded model (paper, section 4): what the three gradients reach, and their scale.

Both are generators of plain events, so that a page can draw while they run:

- `compare_losses`: a text-encoder LoRA pulls the images of one prompt towards one fixed target image, the mean of
  (1 - CLIP similarity) and (1 - DINO similarity), by the naive, the adjusted or the unscaled gradient. A run keeps one
  batch of noises for all its steps and all three gradients: the curves differ by nothing but the gradient.
- `compare_scales`: for one image at a time, the norm of each timestep's share of dL/dtheta, theta being the LoRA.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from fairness_core.adapters.attach import attach_adapter, detach_adapter
from fairness_core.denoisers.kinds import denoiser_of
from fairness_core.denoisers.protocol import Denoiser
from fairness_core.gradient_lab.points import GRADIENTS, LabSettings, LossPoint, ScalePoint
from fairness_core.models.loading import Model
from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import check_prompt, decode, denoise, draw_noise, fresh_scheduler, to_uint8
from fairness_core.sampling.finite import WITHOUT_ADAPTER, checked_pictures
from fairness_core.sampling.gradients import accumulate_gradients, every_pair, gradient_of
from fairness_core.sampling.steering import Said
from fairness_core.settings.config import LORA_TARGETS
from fairness_core.training.step import IMAGES_PER_BATCH


@dataclass(frozen=True)
class Target:
    """What the images are pulled towards. image: uint8 [h, w, 3]; features: one [1, d] an encoder."""

    image: np.ndarray
    features: list[Tensor]


class CheckpointedDenoiser:
    """A denoiser computed again in the backward pass: a graph through many calls then holds their inputs only."""

    def __init__(self, denoiser: Denoiser | nn.Module):
        self.denoiser = denoiser_of(denoiser)

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        return checkpoint(self.denoiser.predict, model_input, timesteps, said, use_reentrant=False)


class StepwiseDenoiser(CheckpointedDenoiser):
    """Every call is told in leaves of its own, in `leaves`: one backward pass tells the steps' shares apart."""

    def __init__(self, denoiser: Denoiser | nn.Module):
        super().__init__(denoiser)
        self.leaves: list[Said] = []

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        pooled = None if said.pooled is None else said.pooled.detach().requires_grad_()
        self.leaves.append(replace(said, embeddings=said.embeddings.detach().requires_grad_(), pooled=pooled))
        return super().predict(model_input, timesteps, self.leaves[-1])


def paint_target(model: Model, settings: LabSettings) -> Target:
    """One image of the target prompt by the model as it is.

    Raises PromptError for either prompt, NotFiniteError for a picture that is not finite.
    """
    for prompt in (settings.prompt, settings.target_prompt):
        check_prompt(model.tokenizer, prompt)
    noise = draw_noise(settings.target_prompt, [0], settings.seed, model.latent_shape).to(model.device)
    latents = sample(model, settings, settings.target_prompt, noise)
    with torch.no_grad(), model.autocast():
        images = checked_pictures(decode(model.vae, latents), "the target's", WITHOUT_ADAPTER)
        return Target(to_uint8(images)[0], [encode(images).float() for encode in model.critics.encoders.values()])


def attach(model: Model, settings: LabSettings, seed: int) -> list[nn.Parameter]:
    return attach_adapter(model, "text_encoder", rank=settings.lora_rank, alpha=settings.lora_rank,
                          targets=LORA_TARGETS, soft_tokens=0, seed=seed)


def sample(model: Model, settings: LabSettings, prompt: str, noise: Tensor) -> Tensor:
    """Final latents from noise [n, c, h, w], without graph, by the text encoder as it is now."""
    with torch.no_grad(), model.autocast():
        conditioning = condition(model, prompt, settings.guidance_scale)
        return denoise(model.denoiser, model.scheduler, noise, conditioning, settings.sampling_steps).latents


def similarity_loss(model: Model, latents: Tensor, target: Target) -> tuple[float, Tensor]:
    """The loss of latents [n, c, h, w], mean over images and encoders, and its gradient there."""
    latents = latents.detach().requires_grad_()
    with torch.enable_grad(), model.autocast():
        images = decode(model.vae, latents)
        distances = [1 - F.cosine_similarity(encode(images).float(), wanted, dim=-1)
                     for encode, wanted in zip(model.critics.encoders.values(), target.features, strict=True)]
        loss = torch.stack(distances).mean()
        loss.backward()
    return loss.item(), latents.grad


# ---------------------------------------------------------------- training loss

def compare_losses(model: Model, settings: LabSettings, target: Target,
                   should_stop: Callable[[], bool] = lambda: False) -> Iterator[LossPoint]:
    """steps + 1 points for each run and gradient, run by run; leaves the model as it was.

    Raises NonLinearSchedulerError for a scheduler whose gradient cannot be adjusted.
    """
    for run in range(settings.runs):
        for gradient in GRADIENTS:
            for point in descend(model, settings, target, gradient, run):
                yield point
                if should_stop():
                    return


def descend(model: Model, settings: LabSettings, target: Target, gradient: str, run: int) -> Iterator[LossPoint]:
    """One run of one gradient: AdamW as in a finetune, without its clipping."""
    numbers = range(run * settings.images, (run + 1) * settings.images)
    noise = draw_noise(settings.prompt, numbers, settings.seed, model.latent_shape).to(model.device)
    parameters = attach(model, settings, settings.seed + run)
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    try:
        for step in range(settings.steps):
            yield LossPoint(gradient, run, step, add_gradient(model, settings, target, noise, gradient))
            optimizer.step()
            optimizer.zero_grad()
        latents = sample(model, settings, settings.prompt, noise)
        yield LossPoint(gradient, run, settings.steps, similarity_loss(model, latents, target)[0])
    finally:
        detach_adapter(model)


def add_gradient(model: Model, settings: LabSettings, target: Target, noise: Tensor, gradient: str) -> float:
    """Accumulates the loss's gradient of that kind in the adapter; returns the loss."""
    naive, steps = gradient == "naive", settings.sampling_steps
    with model.autocast():
        conditioning = condition(model, settings.prompt, settings.guidance_scale)
        with torch.set_grad_enabled(naive):
            trajectory = denoise(CheckpointedDenoiser(model.denoiser), model.scheduler, noise, conditioning, steps)
        loss, latents_gradient = similarity_loss(model, trajectory.latents, target)
        if naive:
            trajectory.latents.backward(latents_gradient)
            return loss
        weights = step_weights(scheduler_coefficients(model.scheduler, steps), gradient)
        accumulate_gradients(model.denoiser, trajectory, conditioning, latents_gradient, weights,
                             every_pair(range(steps), range(len(noise))), 1.0, IMAGES_PER_BATCH).backward(conditioning)
    return loss


# ---------------------------------------------------------------- gradient scale

def compare_scales(model: Model, settings: LabSettings, target: Target,
                   should_stop: Callable[[], bool] = lambda: False) -> Iterator[ScalePoint]:
    """One point a noise, at a LoRA that has not learned yet (it starts as the identity); leaves the model as it was.

    Raises NonLinearSchedulerError for a scheduler whose gradient cannot be adjusted.
    """
    coefficients = scheduler_coefficients(model.scheduler, settings.sampling_steps)
    used = torch.where(coefficients.outputs == 0, 1.0, coefficients.outputs)
    factors = (step_weights(coefficients, "adjusted") / used).abs().numpy()
    timesteps = fresh_scheduler(model.scheduler, settings.sampling_steps).timesteps.numpy()
    parameters = attach(model, settings, settings.seed)
    try:
        for run in range(settings.noises):
            if should_stop():
                return
            noise = draw_noise(settings.prompt, [run], settings.seed, model.latent_shape).to(model.device)
            naive, unscaled = (
                np.array([norm_of(s) for s in step_shares(model, settings, target, noise, parameters, detached)])
                for detached in (False, True))
            yield ScalePoint(run, timesteps, {"naive": naive, "adjusted": unscaled * factors, "unscaled": unscaled})
    finally:
        detach_adapter(model)


def step_shares(model: Model, settings: LabSettings, target: Target, noise: Tensor, parameters: list[nn.Parameter],
                detach_inputs: bool) -> Iterator[tuple[Tensor | None, ...]]:
    """Each step's share of dL/dtheta for one noise [1, c, h, w], in the parameters' shapes, in the order of sampling; None
    for a parameter that no gradient reaches, such as those of the last layer of SDXL's first encoder.

    With detach_inputs, k_t (d out_t / d theta)^T g; without, the later steps' Jacobians B_t stand between.
    """
    denoiser = StepwiseDenoiser(model.denoiser)
    with model.autocast():
        conditioning = condition(model, settings.prompt, settings.guidance_scale)
        latents = denoise(denoiser, model.scheduler, noise, conditioning, settings.sampling_steps,
                          detach_inputs=detach_inputs).latents
        latents.backward(similarity_loss(model, latents, target)[1])
    said = conditioning.said(1)
    if conditioning.is_guided:
        said = conditioning.unsaid(1).before(said)  # in the order of the denoiser's batch
    for leaves in denoiser.leaves:
        pairs = [(told, gradient_of(leaf)) for told, leaf in ((said.embeddings, leaves.embeddings),
                                                              (said.pooled, leaves.pooled))
                 if told is not None and told.requires_grad]
        yield torch.autograd.grad([told for told, _ in pairs], parameters, [g.to(told.dtype) for told, g in pairs],
                                  retain_graph=True, allow_unused=True)


def norm_of(tensors: tuple[Tensor | None, ...]) -> float:
    return torch.stack([t.double().norm() for t in tensors if t is not None]).norm().item()
