"""Euler on a flow: its coefficients, and the three gradients through transformers, against plain autograd."""

from dataclasses import replace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from helpers.gradients import Weighing, assert_same, loss_gradient, loss_of, peak_saved_bytes
from helpers.small_pipelines import GUIDANCE, NUMBERS, PROMPT, STEPS
from helpers.small_transformers import KINDS, SIDE, loaded_flow, saved_flow

from fairness_core.adapters.attach import attach_adapter
from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import denoise, draw_noise, fresh_scheduler
from fairness_core.sampling.flow import FlowEuler, flow_solver
from fairness_core.sampling.gradients import accumulate_gradients, every_pair, naive_gradients

SETTINGS = [{"shift": 3.0}, {"use_dynamic_shifting": True}, {"use_dynamic_shifting": True, "time_shift_type": "linear"},
            {"shift": 1.0, "use_karras_sigmas": True}]


@pytest.fixture(scope="module", params=KINDS)
def model(request, tmp_path_factory):
    return loaded_flow(saved_flow(request.param, tmp_path_factory.mktemp("flow") / request.param))


@pytest.fixture
def parameters(model):
    """LoRA on everything that may be tuned, moved as training would."""
    parameters = attach_adapter(model, "both", rank=2, alpha=2, targets=("attention",), soft_tokens=1, seed=0)
    with torch.no_grad():
        for parameter in parameters:
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return parameters


@pytest.fixture
def noise(model):
    return draw_noise(PROMPT, NUMBERS, 0, model.latent_shape)


def compare(parameters, expected) -> None:
    for parameter, gradient in zip(parameters, expected):
        assert (parameter.grad is None) == (gradient is None)
    reached = [i for i, gradient in enumerate(expected) if gradient is not None]
    assert len(reached) > len(parameters) / 2
    assert_same([parameters[i].grad for i in reached], [expected[i] for i in reached])


@pytest.mark.parametrize("mode", ["unscaled", "adjusted"])
@pytest.mark.parametrize("unconditional", [True, False])
def test_the_adapters_gradient_is_that_of_autograd(model, parameters, noise, mode, unconditional):
    weights = step_weights(coefficients := scheduler_coefficients(model.scheduler, STEPS), mode)
    factors = [float(w / k) for w, k in zip(weights, coefficients.outputs)]
    said = condition(model, PROMPT, GUIDANCE)
    if not unconditional and said.is_guided:
        pytest.skip("an approximation there, tested with U-Nets")
    latents = denoise(Weighing(model.denoiser, factors), model.scheduler, noise, said, STEPS, detach_inputs=True).latents
    expected = torch.autograd.grad(loss_of(latents), parameters, allow_unused=True)
    said = condition(model, PROMPT, GUIDANCE)
    with torch.no_grad():
        trajectory = denoise(model.denoiser, model.scheduler, noise, said, STEPS)
    accumulate_gradients(model.denoiser, trajectory, said, loss_gradient(trajectory.latents), weights,
                         every_pair(range(STEPS), range(len(noise))), 1.0, 3, unconditional).backward(said)
    compare(parameters, expected)


def test_the_naive_gradient_is_that_of_autograd(model, parameters, noise):
    latents = denoise(model.denoiser, model.scheduler, noise, condition(model, PROMPT, GUIDANCE), STEPS).latents
    expected = torch.autograd.grad(loss_of(latents), parameters, allow_unused=True)
    said = condition(model, PROMPT, GUIDANCE)
    naive_gradients(model.denoiser, model.scheduler, noise, said, loss_gradient(latents), STEPS, 1).backward(said)
    compare(parameters, expected)


def test_memory_does_not_grow_with_the_steps(model, parameters, noise):
    said = condition(model, PROMPT, GUIDANCE)

    def peak(steps: int) -> int:
        with torch.no_grad():
            trajectory = denoise(model.denoiser, model.scheduler, noise, said, steps)
        weights = step_weights(scheduler_coefficients(model.scheduler, steps), "adjusted")
        return peak_saved_bytes(lambda: accumulate_gradients(
            model.denoiser, trajectory, said, loss_gradient(trajectory.latents), weights,
            every_pair(range(steps), range(len(noise))), 1.0, 2))
    assert peak(2) == peak(8) > 0


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("evenly", [True, False])
def test_the_coefficients_are_the_steps_in_sigma(settings, evenly):
    solver = flow_solver(FlowMatchEulerDiscreteScheduler(**settings), (SIDE // 2) ** 2, evenly)
    found, sigmas = scheduler_coefficients(solver, 7), fresh_scheduler(solver, 7).sigmas
    torch.testing.assert_close(found.outputs, sigmas.diff().double(), rtol=1e-6, atol=0)
    assert found.noise == pytest.approx(1) and (found.outputs < 0).all()
    weights = step_weights(found, "adjusted")
    assert weights.unique().numel() == 1 and weights[0] < 0


def test_large_pictures_take_more_of_the_steps_at_strong_noise():
    own = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    small, large = (fresh_scheduler(flow_solver(own, places, True), 8).sigmas for places in (256, 4096))
    assert (large[1:-1] > small[1:-1]).all() and isinstance(flow_solver(own, 256, True), FlowEuler)
    own.set_timesteps(sigmas=torch.linspace(1, 1 / 8, 8).tolist(), mu=1.15)
    torch.testing.assert_close(large, own.sigmas)


def test_prompts_of_their_own_keep_their_rows(model, noise):
    """Several prompts in one batch, each image by its own, as a step of a finetune has them."""
    said = condition(model, PROMPT, GUIDANCE)
    both = replace(said, prompt_of=torch.zeros(len(noise), dtype=torch.long))
    with torch.no_grad():
        alone, together = (denoise(model.denoiser, model.scheduler, noise, s, 2).latents for s in (said, both))
    torch.testing.assert_close(alone, together)
