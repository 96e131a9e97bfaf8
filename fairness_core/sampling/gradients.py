"""Adjusted direct finetuning (paper, section 4): how a gradient at the images reaches the denoiser's conditioning.

A linear deterministic solver gives z_0 = c z_T + sum_t k_t out_t, where out_t is the (guided) output of the
denoiser at step t. With its inputs detached, dL/dtheta = sum_t k_t (d out_t / d theta)^T g, g = dL/dz_0: one
independent forward and backward a step, in any batches, after a sampling without gradient. METHOD section 4.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fairness_core.denoisers.kinds import denoiser_of
from fairness_core.denoisers.protocol import Denoiser
from fairness_core.errors import UserError
from fairness_core.hardware.waiting import to_device
from fairness_core.sampling.denoise import (Trajectory, denoise, even_parts, fresh_scheduler, guided_prediction,
                                            scheduler_step)
from fairness_core.sampling.steering import Conditioning

NEGLIGIBLE = 1e-6  # coefficients below this share of the largest are rounding: the step does not count
LINEARITY_TOLERANCE = 1e-3
PROBE_SCALES = (1e-2, 1.0, 1e2)
EMBEDDINGS = ("conditional", "unconditional", "pooled", "pooled_unconditional")  # what of a Conditioning is learned


class NonLinearSchedulerError(UserError):
    """A scheduler whose result is not a fixed linear function of the noise and the denoiser's outputs."""


@dataclass(frozen=True)
class Coefficients:
    """z_0 = noise * drawn noise + sum over steps of outputs[t] * the denoiser's output t. outputs: float64 [T]."""

    noise: float
    outputs: Tensor


@dataclass(frozen=True)
class ConditioningGradient:
    """Gradient with respect to the embeddings of a Conditioning, in their shapes; zero where none was asked for, None where
    it has none.
    """

    conditional: Tensor
    unconditional: Tensor | None = None
    pooled: Tensor | None = None
    pooled_unconditional: Tensor | None = None

    def backward(self, conditioning: Conditioning) -> None:
        """Carries the gradient on, through the text encoder, once for all embeddings."""
        pairs = [(getattr(conditioning, name), getattr(self, name)) for name in EMBEDDINGS]
        pairs = [(embeddings, gradient) for embeddings, gradient in pairs
                 if embeddings is not None and embeddings.requires_grad]
        torch.autograd.backward([e for e, _ in pairs], [g.to(e.dtype) for e, g in pairs])


def scheduler_coefficients(scheduler, steps: int) -> Coefficients:
    """What the scheduler's own arithmetic multiplies the noise and each output by, for any prediction type.

    One run on unit vectors: the sample starts as e_0, the output of step t is e_(t+1). Raises
    NonLinearSchedulerError when that does not describe the scheduler: clipping, thresholding, added noise,
    several calls a step.
    """
    check_configuration(scheduler, steps)
    basis = torch.eye(steps + 1, dtype=torch.float64)
    combined = run_scheduler(scheduler, basis[0], basis[1:])
    check_linearity(scheduler, steps, combined)
    outputs = combined[-1, 1:]
    outputs = torch.where(outputs.abs() > NEGLIGIBLE * outputs.abs().max(), outputs, 0.0)
    return Coefficients(float(combined[-1, 0]), outputs)


def run_scheduler(scheduler, noise: Tensor, outputs: Tensor) -> Tensor:
    """The sample after each step, [T, m], from noise [m] when the denoiser answers outputs [T, m], whatever it sees."""
    as_image = (1, 1, 1, -1)
    scheduler = fresh_scheduler(scheduler, len(outputs))
    generator = torch.Generator().manual_seed(0)  # a scheduler that adds noise shall not touch the global one
    sample, samples = (noise * scheduler.init_noise_sigma).view(as_image), []
    for timestep, output in zip(scheduler.timesteps, outputs, strict=True):
        scheduler.scale_model_input(sample, timestep)
        sample = scheduler_step(scheduler, output.view(as_image), timestep, sample, generator)
        samples.append(sample.double().flatten())
    return torch.stack(samples)


def check_configuration(scheduler, steps: int) -> None:
    """Raises NonLinearSchedulerError for what the scheduler's settings already tell."""
    name = type(scheduler).__name__
    for setting in ("clip_sample", "thresholding"):
        if getattr(scheduler.config, setting, False):
            raise NonLinearSchedulerError(
                f"{name} has {setting} on, which is not linear: use {name}.from_config(config, {setting}=False).")
    if not hasattr(scheduler, "init_noise_sigma"):
        raise NonLinearSchedulerError(f"{name} is not a scheduler of Stable Diffusion's noise: use "
                                      "DPMSolverMultistepScheduler, DDIMScheduler or EulerDiscreteScheduler.")
    calls = len(fresh_scheduler(scheduler, steps).timesteps)
    if calls != steps:
        raise NonLinearSchedulerError(f"{name} calls the network {calls} times for {steps} steps: use a solver with one "
                                      "call a step, such as DPMSolverMultistepScheduler or DDIMScheduler.")


def check_linearity(scheduler, steps: int, combined: Tensor) -> None:
    """Compares a second run, on random noise and outputs of several sizes, with what `combined` [T, T + 1] predicts.

    After every step: the last one may hide what came before, as it does when the denoiser predicts the sample itself.
    Raises NonLinearSchedulerError when they differ, be it by clipping, by state, or by noise of its own.
    """
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(steps + 1, len(PROBE_SCALES), generator=generator, dtype=torch.float64)
    probe = probe * torch.tensor(PROBE_SCALES, dtype=torch.float64)
    found = run_scheduler(scheduler, probe[0], probe[1:])
    size = combined.abs() @ probe.abs()
    if not ((found - combined @ probe).abs() <= LINEARITY_TOLERANCE * size).all():
        raise NonLinearSchedulerError(
            f"{type(scheduler).__name__} adds noise or is not linear, so its gradient cannot be adjusted: use a "
            "deterministic solver such as DPMSolverMultistepScheduler (algorithm_type 'dpmsolver++'), DDIMScheduler "
            "or EulerDiscreteScheduler; for DDPM, fairness_core.sampling.PosteriorMeanScheduler.")


def step_weights(coefficients: Coefficients, mode: str) -> Tensor:
    """How much each step's gradient counts, float64 [T].

    "unscaled": the coefficients as they are. "adjusted": one number for all, the geometric mean of the magnitudes
    that are not zero, with the sign of their sum; a step with coefficient 0 does not reach the image and stays 0.
    One sign, because an output pushes the estimated image the same way at every step (by -sigma / alpha, -sigma or 1
    for epsilon, v or sample prediction), while the extrapolation of a multistep solver can give its first steps a
    tiny coefficient of the other sign: standardised, it would fight all the others.
    Raises ValueError for another mode: "naive" has no such weights, it is plain autograd through `denoise`.
    """
    if mode == "unscaled":
        return coefficients.outputs
    if mode != "adjusted":
        raise ValueError(f"No step weights for {mode!r}: choose 'adjusted' or 'unscaled'.")
    used = coefficients.outputs[coefficients.outputs != 0]
    if not len(used):
        raise UserError("No step reaches the image: use more sampling steps.")
    return (coefficients.outputs != 0) * coefficients.outputs.sum().sign() * used.abs().log().mean().exp()


def choose_timesteps(total: int, wanted: int, generator: torch.Generator | None = None) -> tuple[list[int], float]:
    """`wanted` of `total` step indices, spread evenly (0: all of them), and the scale total / wanted.

    Systematic sampling: the products start + j * total, for start in 0..total-1 and j in 0..wanted-1, take every
    value once, so a random start picks each index with probability exactly wanted / total: unbiased.
    Raises ValueError unless 0 <= wanted <= total.
    """
    if not 0 <= wanted <= total:
        raise ValueError(f"Cannot choose {wanted} of {total} timesteps: ask for 0 (all) to {total}.")
    if wanted == 0:
        return list(range(total)), 1.0
    start = int(torch.randint(total, (), generator=generator).numpy())
    return [(start + j * total) // wanted for j in range(wanted)], total / wanted


def accumulate_gradients(denoiser: Denoiser | nn.Module, trajectory: Trajectory, conditioning: Conditioning,
                         latents_gradient: Tensor, weights: Tensor, pairs: Sequence[tuple[int, int]], scale: float, images_per_batch: int,
                         unconditional_gradient: bool = True) -> ConditioningGradient:
    """sum over (step, image) pairs of scale * weights[step] * (d out_step)^T latents_gradient, of that image.

    The denoiser's parameters that require a gradient accumulate it in .grad; that of the prompt embeddings is returned.
    latents_gradient: [n, c, h, w], the loss's gradient at the final latents; weights: [T], from step_weights;
    pairs: each image's chosen steps; scale: from choose_timesteps. They run in batches of at most images_per_batch,
    nearly even ones, so memory depends on that number only. unconditional_gradient=False treats the unconditional
    prediction as a constant (no gradient to its embeddings nor to parameters through it): a cheaper, approximate
    backward.
    """
    leaves = leaves_of(conditioning, unconditional_gradient)
    reaching = weights.numpy()
    pairs = [(step, image) for step, image in pairs if reaching[step]]
    predict_rows = guided_prediction if unconditional_gradient else conditional_part
    for steps, images, factors in batches(pairs, scale * weights, images_per_batch, latents_gradient):
        inputs, timesteps = trajectory.model_inputs[steps, images], trajectory.timesteps[steps]
        with torch.enable_grad():
            output = predict_rows(denoiser, inputs, timesteps, leaves.of(images))
        output.backward(factors.view(-1, 1, 1, 1) * latents_gradient[images])
    return ConditioningGradient(*(gradient_of(getattr(leaves, name)) for name in EMBEDDINGS))


def naive_gradients(denoiser: Denoiser | nn.Module, scheduler, noise: Tensor, conditioning: Conditioning,
                    latents_gradient: Tensor, steps: int, images_at_once: int) -> ConditioningGradient:
    """The same by plain autograd through the whole sampling, a few images at a time: their graphs are large."""
    leaves = leaves_of(conditioning, True)
    for rows in even_parts(len(noise), images_at_once):
        with torch.enable_grad():
            latents = denoise(denoiser, scheduler, noise[rows], leaves.of(rows), steps).latents
        latents.backward(latents_gradient[rows])
    return ConditioningGradient(*(gradient_of(getattr(leaves, name)) for name in EMBEDDINGS))


def leaves_of(conditioning: Conditioning, unconditional_gradient: bool) -> Conditioning:
    """The same embeddings without graph, ready to collect their gradient."""
    def leaf(name: str) -> Tensor | None:
        values = getattr(conditioning, name)
        return None if values is None else values.detach().requires_grad_(
            unconditional_gradient or "unconditional" not in name)
    return replace(conditioning, **{name: leaf(name) for name in EMBEDDINGS})


def conditional_part(denoiser: Denoiser | nn.Module, model_input: Tensor, timesteps: Tensor,
                     conditioning: Conditioning) -> Tensor:
    """What of guided_prediction depends on the prompt: the rest is a constant and its value is not needed."""
    scale = conditioning.guidance_scale if conditioning.is_guided else 1.0
    return scale * denoiser_of(denoiser).predict(model_input, timesteps, conditioning.said(len(model_input)))


def every_pair(steps: Sequence[int], images: Sequence[int]) -> list[tuple[int, int]]:
    """Each of the steps with each of the images."""
    return [(step, image) for step in steps for image in images]


def batches(pairs: Sequence[tuple[int, int]], weights: Tensor, size: int,
            like: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The pairs and their steps' weights as tensors (steps, images, weights) of at most `size` entries, where `like` is."""
    if size < 1:
        raise ValueError(f"images_per_batch is {size}: it must be at least 1.")
    if not pairs:
        return
    indices = torch.tensor(pairs).T
    factors = to_device(weights.index_select(0, indices[0]).to(like.dtype), like.device)
    steps, images = to_device(indices, like.device)
    for rows in even_parts(len(pairs), size):
        yield steps[rows], images[rows], factors[rows]


def gradient_of(leaf: Tensor | None) -> Tensor | None:
    return leaf if leaf is None else torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
