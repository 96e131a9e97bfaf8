"""Every kind of adapter gets the gradient that plain autograd gives."""

import pytest
import torch
from helpers.gradients import STEPS, Weighing, assert_same, build, loss_gradient, loss_of
from torch import Tensor

from fairness_core.adapters.attach import attach_adapter
from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import denoise
from fairness_core.sampling.gradients import accumulate_gradients, choose_timesteps, every_pair

EVERY_KIND = pytest.mark.parametrize("kind", ["text_encoder", "unet", "both", "tokens"])


def tuned(pipeline, kind: str) -> list[Tensor]:
    """An adapter away from its start (where half of LoRA's gradients are zero), everything else frozen."""
    pipeline.unet.requires_grad_(False)
    pipeline.text_encoder.requires_grad_(False)
    parameters = attach_adapter(pipeline, kind, rank=2, alpha=3, targets=("attention", "mlp"), soft_tokens=3, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return parameters


def adapter_gradient(pipeline, parameters, scheduler, noise, mode, chosen=range(STEPS), scale=1.0) -> list[Tensor]:
    """As a training step collects it."""
    conditioning = condition(pipeline, "a nurse", 3.0)
    with torch.no_grad():
        trajectory = denoise(pipeline.unet, scheduler, noise, conditioning, STEPS)
    weights = step_weights(scheduler_coefficients(scheduler, STEPS), mode)
    accumulate_gradients(pipeline.unet, trajectory, conditioning, loss_gradient(trajectory.latents), weights,
                         every_pair(chosen, range(len(noise))), scale, 4).backward(conditioning)
    found = [p.grad.clone() for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return found


@EVERY_KIND
@pytest.mark.parametrize("mode", ["adjusted", "unscaled"])
def test_an_adapters_gradient_is_that_of_autograd(kind, mode, pipeline, noise):
    scheduler, parameters = build("dpm-solver++ 2"), tuned(pipeline, kind)
    coefficients = scheduler_coefficients(scheduler, STEPS)
    factors = (step_weights(coefficients, mode) / coefficients.outputs).tolist()
    latents = denoise(Weighing(pipeline.unet, factors), scheduler, noise, condition(pipeline, "a nurse", 3.0), STEPS,
                      detach_inputs=True).latents
    expected = list(torch.autograd.grad(loss_of(latents), parameters))
    assert_same(adapter_gradient(pipeline, parameters, scheduler, noise, mode), expected)


@EVERY_KIND
def test_an_adapters_naive_gradient_is_the_slope_of_the_loss(kind, pipeline, noise):
    """Plain autograd against the loss itself, a little to either side along the gradient."""
    scheduler, parameters = build("dpm-solver++ 2"), tuned(pipeline, kind)

    def latents() -> Tensor:
        return denoise(pipeline.unet, scheduler, noise, condition(pipeline, "a nurse", 3.0), STEPS).latents

    final = latents()
    final.backward(loss_gradient(final))
    gradients = [p.grad.clone() for p in parameters]
    norm = torch.stack([g.norm() for g in gradients]).norm()
    losses = []
    for distance in (0.01, -0.02):
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                parameter.add_(gradient / norm, alpha=distance)
            losses.append(loss_of(latents()))
    assert float((losses[0] - losses[1]) / 0.02) == pytest.approx(float(norm), rel=0.02)


@EVERY_KIND
def test_an_adapters_gradient_from_some_timesteps_is_unbiased(kind, pipeline, noise):
    scheduler, parameters, wanted = build("dpm-solver++ 2"), tuned(pipeline, kind), 2
    generator = torch.Generator().manual_seed(0)
    subsets = {tuple(choose_timesteps(STEPS, wanted, generator)[0]) for _ in range(200)}
    assert len(subsets) == STEPS
    parts = [adapter_gradient(pipeline, parameters, scheduler, noise, "adjusted", chosen, STEPS / wanted)
             for chosen in sorted(subsets)]
    assert_same([torch.stack(p).mean(0) for p in zip(*parts)],
                adapter_gradient(pipeline, parameters, scheduler, noise, "adjusted"))
