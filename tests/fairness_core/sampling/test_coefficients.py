"""How much each output of the denoiser counts, and which schedulers have no such numbers."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       HeunDiscreteScheduler, PNDMScheduler)
from helpers.fakes import tiny_scheduler
from helpers.gradients import EVERY_PREDICTION, EVERY_SOLVER, STEPS, build
from torch import nn

from fairness_core.sampling.coefficients import (Coefficients, NonLinearSchedulerError, scheduler_coefficients,
                                                 step_weights)
from fairness_core.sampling.denoise import Conditioning, denoise


@EVERY_SOLVER
@EVERY_PREDICTION
def test_coefficients_reproduce_the_final_latents(solver, prediction, noise):
    scheduler = build(solver, prediction)
    outputs, calls = torch.randn(STEPS, *noise.shape), iter(range(STEPS))

    class Recorded(nn.Module):
        dtype, config = torch.float32, SimpleNamespace()

        def forward(self, model_input, timestep, encoder_hidden_states):
            return SimpleNamespace(sample=outputs[next(calls)])

    latents = denoise(Recorded(), scheduler, noise, Conditioning(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), 1.0),
                      STEPS).latents
    found = scheduler_coefficients(scheduler, STEPS)
    expected = found.noise * noise + torch.einsum("t,tnchw->nchw", found.outputs.float(), outputs)
    torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-4)


@EVERY_SOLVER
def test_adjusted_weights_are_one_number(solver):
    coefficients = scheduler_coefficients(build(solver), 20)
    weights, used = step_weights(coefficients, "adjusted"), coefficients.outputs != 0
    size = coefficients.outputs[used].abs().log().mean().exp()
    torch.testing.assert_close(weights[used], (coefficients.outputs.sum().sign() * size).expand(used.sum()))
    assert (weights[~used] == 0).all()


def test_a_multistep_extrapolation_does_not_turn_a_step_round():
    """With few steps, DPM-Solver++ 2M gives its first output a tiny coefficient of the other sign."""
    coefficients = Coefficients(1.0, torch.tensor([0.006, -0.026, -0.5, -0.4], dtype=torch.float64))
    assert (step_weights(coefficients, "adjusted") < 0).all()


def test_a_step_that_does_not_reach_the_image_counts_zero():
    coefficients = scheduler_coefficients(build("ddim, last step idle"), STEPS)
    assert coefficients.outputs[-1] == 0 and (coefficients.outputs[:-1] != 0).all()


def test_no_weights_when_no_step_reaches_the_image():
    only_idle = scheduler_coefficients(build("ddim, last step idle"), 1)
    assert not only_idle.outputs.any()
    with pytest.raises(ValueError, match="more sampling steps"):
        step_weights(only_idle, "adjusted")
    with pytest.raises(ValueError, match="naive"):
        step_weights(only_idle, "naive")


def test_ddim_coefficients_are_the_papers_formula():
    """With r_t = sqrt(1 - abar_t) / sqrt(abar_t), DDIM adds r_next - r_t times the prediction to z / sqrt(abar)."""
    scheduler = build("ddim")
    scheduler.set_timesteps(STEPS)
    signal = torch.cat([scheduler.alphas_cumprod[scheduler.timesteps], torch.ones(1)]).double()
    ratio = ((1 - signal) / signal).sqrt()
    torch.testing.assert_close(scheduler_coefficients(scheduler, STEPS).outputs, ratio[1:] - ratio[:-1],
                               rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind, settings, message", [
    (DDPMScheduler, dict(clip_sample=False), "PosteriorMeanScheduler"),
    (EulerAncestralDiscreteScheduler, {}, "adds noise"),
    (DPMSolverMultistepScheduler, dict(algorithm_type="sde-dpmsolver++"), "adds noise"),
    (DDIMScheduler, {}, "clip_sample=False"),
    (DPMSolverMultistepScheduler, dict(thresholding=True), "thresholding=False"),
    (HeunDiscreteScheduler, {}, "9 times for 5 steps"),
    (PNDMScheduler, dict(skip_prk_steps=True), "6 times for 5 steps"),
])
def test_schedulers_that_are_not_linear_are_refused(kind, settings, message):
    state = torch.random.get_rng_state()
    with pytest.raises(NonLinearSchedulerError, match=message):
        scheduler_coefficients(tiny_scheduler(kind, **settings), STEPS)
    assert torch.equal(state, torch.random.get_rng_state())


def test_clipping_is_found_by_running_even_when_no_setting_tells():
    class Clipping(DDIMScheduler):
        def step(self, *args, **kwargs):
            return tuple(x.clamp(-50, 50) for x in super().step(*args, **kwargs))
    with pytest.raises(NonLinearSchedulerError, match="not linear"):
        scheduler_coefficients(tiny_scheduler(Clipping, clip_sample=False), STEPS)
