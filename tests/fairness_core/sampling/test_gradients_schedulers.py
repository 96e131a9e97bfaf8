"""Other schedulers by the same code, and the naive gradient against a loop of its own."""

import diffusers
import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler, LCMScheduler, SASolverScheduler
from helpers.fakes import tiny_scheduler
from helpers.gradients import (EVERY_PREDICTION, EVERY_SOLVER, STEPS, assert_same, build, by_accumulation, by_autograd,
                               loss_of, peak_saved_bytes, trainable)
from torch import Tensor

from fairness_core.sampling.coefficients import NonLinearSchedulerError, scheduler_coefficients, step_weights

OTHERS = {"LMSDiscreteScheduler": {}, "DEISMultistepScheduler": {}, "DPMSolverSinglestepScheduler": {},
          "DDIMParallelScheduler": {"clip_sample": False}, "DPMSolverMultistepScheduler": {"solver_order": 3},
          "UniPCMultistepScheduler": {"solver_order": 3}}


def by_plain_loop(unet, scheduler, noise: Tensor, conditioning) -> list[Tensor]:
    """Classifier-free guidance written out, diffusers' scheduler, and autograd through all of it."""
    conditional = conditioning.conditional.clone().requires_grad_()
    unconditional = conditioning.unconditional.clone().requires_grad_()
    weights = trainable(unet)
    scheduler.set_timesteps(STEPS)
    latents = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        seen = scheduler.scale_model_input(latents, timestep)
        empty, prompted = (unet(seen, timestep, encoder_hidden_states=e.expand(len(noise), -1, -1)).sample
                           for e in (unconditional, conditional))
        output = empty + conditioning.guidance_scale * (prompted - empty)
        latents = scheduler.step(output, timestep, latents).prev_sample
    return list(torch.autograd.grad(loss_of(latents), [conditional, unconditional, *weights]))


@EVERY_SOLVER
@EVERY_PREDICTION
def test_the_naive_gradient_is_that_of_a_plain_loop(solver, prediction, pipeline, noise, conditioning):
    scheduler, unchanged = build(solver, prediction), [1.0] * STEPS
    found = by_autograd(pipeline.unet, scheduler, noise, conditioning, unchanged, detach_inputs=False)
    assert_same(found, by_plain_loop(pipeline.unet, build(solver, prediction), noise, conditioning))


@pytest.mark.parametrize("name", OTHERS)
@EVERY_PREDICTION
@pytest.mark.parametrize("mode", ["unscaled", "adjusted"])
def test_any_linear_scheduler_goes_by_the_same_code(name, prediction, mode, pipeline, noise, conditioning):
    kind, settings = getattr(diffusers, name), OTHERS[name] | {"prediction_type": prediction}
    scheduler = kind.from_config(tiny_scheduler().config, **settings)
    coefficients = scheduler_coefficients(scheduler, STEPS)
    weights = step_weights(coefficients, mode)
    factors = [float(w / k) if k else 0.0 for w, k in zip(weights, coefficients.outputs)]
    # third order has a coefficient thousands of times below the largest, which magnifies autograd's float32 rounding
    assert_same(by_accumulation(pipeline.unet, scheduler, noise, conditioning, mode),
                by_autograd(pipeline.unet, scheduler, noise, conditioning, factors), relative=1e-3)


@pytest.mark.parametrize(("kind", "settings"), [(DDPMScheduler, {"clip_sample": False}), (LCMScheduler, {}),
                                                (SASolverScheduler, {})])
@EVERY_PREDICTION
def test_noise_is_found_even_where_the_last_step_hides_it(kind, settings, prediction):
    """A predicted sample replaces all that came before: the final latents alone would look linear."""
    with pytest.raises(NonLinearSchedulerError, match="adds noise or is not linear"):
        scheduler_coefficients(tiny_scheduler(kind, prediction_type=prediction, **settings), STEPS)


def test_a_scheduler_of_another_kind_of_model_is_refused():
    with pytest.raises(NonLinearSchedulerError, match="not a scheduler of Stable Diffusion's noise"):
        scheduler_coefficients(FlowMatchEulerDiscreteScheduler(), STEPS)


def test_the_measure_of_memory_tells_a_gradient_that_grows(pipeline, noise, conditioning):
    """The naive gradient holds every step at once; test_gradients.py shows that the adjusted one does not."""
    def peak(steps: int) -> int:
        return peak_saved_bytes(lambda: by_autograd(
            pipeline.unet, build("ddim"), noise, conditioning, [1.0] * steps, detach_inputs=False))
    assert peak(40) > 3.5 * peak(10)
