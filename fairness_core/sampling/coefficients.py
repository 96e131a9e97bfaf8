"""How much each output of the denoiser counts in the image: a linear deterministic solver gives z_0 = c z_T + sum_t k_t out_t.

METHOD section 4.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fairness_core.errors import UserError
from fairness_core.sampling.denoise import fresh_scheduler, scheduler_step

NEGLIGIBLE = 1e-6  # coefficients below this share of the largest are rounding: the step does not count
LINEARITY_TOLERANCE = 1e-3
PROBE_SCALES = (1e-2, 1.0, 1e2)


class NonLinearSchedulerError(UserError):
    """A scheduler whose result is not a fixed linear function of the noise and the denoiser's outputs."""


@dataclass(frozen=True)
class Coefficients:
    """z_0 = noise * drawn noise + sum over steps of outputs[t] * the denoiser's output t. outputs: float64 [T]."""

    noise: float
    outputs: Tensor


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
