"""The lab's gradients against plain autograd, its events, and that it leaves no trace in the model."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fakes import tiny_model, tiny_scheduler
from torch.nn import functional as F

from fairness_core.gradient_lab import measure as gradient_lab
from fairness_core.gradient_lab.measure import (GRADIENTS, LabSettings, add_gradient, compare_losses, compare_scales,
                                                norm_of, paint_target, step_shares)
from fairness_core.sampling.coefficients import NonLinearSchedulerError, scheduler_coefficients, step_weights
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import PromptError, decode, denoise, draw_noise
from fairness_core.sampling.finite import NotFiniteError

SETTINGS = LabSettings("a nurse", "a chef", runs=2, steps=2, images=2, noises=3, sampling_steps=3, guidance_scale=3.0,
                       learning_rate=0.01, lora_rank=2)


def noise_for(model, images: int = 2):
    return draw_noise(SETTINGS.prompt, range(images), 0, model.latent_shape)


def trained_lora(model) -> list[torch.nn.Parameter]:
    """An adapter that is not the identity any more, so that all its parameters have a gradient."""
    parameters, generator = gradient_lab.attach(model, SETTINGS, 0), torch.Generator().manual_seed(1)
    for parameter in parameters:
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return parameters


def by_autograd(model, noise, target, parameters, detach_inputs: bool) -> tuple[float, list[torch.Tensor]]:
    conditioning = condition(model, SETTINGS.prompt, SETTINGS.guidance_scale)
    latents = denoise(model.unet, model.scheduler, noise, conditioning, 3, detach_inputs=detach_inputs).latents
    images = decode(model.vae, latents)
    loss = sum((1 - F.cosine_similarity(encode(images), wanted)).mean() / 2
               for encode, wanted in zip(model.critics.encoders.values(), target.features))
    return loss.item(), list(torch.autograd.grad(loss, parameters))


def assert_same(found, expected, relative: float = 1e-3) -> None:
    found, expected = (torch.cat([t.flatten() for t in tensors]) for tensors in (found, expected))
    assert expected.norm() > 0
    assert (found - expected).norm() <= relative * expected.norm()


@pytest.mark.parametrize("gradient", ["naive", "unscaled"])
def test_the_gradient_is_that_of_autograd(model, gradient):
    target, noise = paint_target(model, SETTINGS), noise_for(model)
    parameters = trained_lora(model)
    expected_loss, expected = by_autograd(model, noise, target, parameters, detach_inputs=gradient == "unscaled")
    assert add_gradient(model, SETTINGS, target, noise, gradient) == pytest.approx(expected_loss, rel=1e-5)
    assert_same([p.grad for p in parameters], expected)


@pytest.mark.parametrize("detach_inputs", [False, True])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_the_steps_shares_sum_to_the_whole_gradient(model, detach_inputs, guidance):
    settings = replace(SETTINGS, guidance_scale=guidance)
    target, noise = paint_target(model, settings), noise_for(model, 1)
    parameters = trained_lora(model)
    shares = list(step_shares(model, settings, target, noise, parameters, detach_inputs))
    add_gradient(model, settings, target, noise, "unscaled" if detach_inputs else "naive")
    assert len(shares) == 3
    assert_same([sum(parts) for parts in zip(*shares)], [p.grad for p in parameters])


def test_the_last_step_is_the_same_with_and_without_jacobians_and_the_first_is_not(model):
    """Nothing follows the last step: B_T is the identity."""
    target, noise = paint_target(model, SETTINGS), noise_for(model, 1)
    parameters = trained_lora(model)
    naive, detached = (list(step_shares(model, SETTINGS, target, noise, parameters, d)) for d in (False, True))
    assert_same(naive[-1], detached[-1])
    difference = [a - b for a, b in zip(naive[0], detached[0])]
    assert norm_of(difference) > 1e-2 * norm_of(detached[0])


def test_adjusted_scales_are_the_unscaled_ones_at_one_coefficient(model):
    coefficients = scheduler_coefficients(model.scheduler, 3)
    for point in compare_scales(model, SETTINGS, paint_target(model, SETTINGS)):
        expected = point.scales["unscaled"] / coefficients.outputs.abs().numpy()
        one_size = step_weights(coefficients, "adjusted").abs().numpy()
        np.testing.assert_allclose(point.scales["adjusted"] / expected, one_size)
        assert list(point.timesteps) == sorted(point.timesteps, reverse=True)


def test_every_run_and_gradient_tells_its_loss_before_and_after_each_update(model):
    points = list(compare_losses(model, SETTINGS, paint_target(model, SETTINGS)))
    assert [(p.run, p.gradient, p.step) for p in points] == [
        (run, gradient, step) for run in range(2) for gradient in GRADIENTS for step in range(3)]
    assert all(0 <= p.loss <= 2 for p in points)
    starts = {(p.run, p.loss) for p in points if p.step == 0}
    assert len({round(loss, 6) for _, loss in starts}) == 2, "one start a run, whatever the gradient"


def test_the_loss_falls(model):
    points = list(compare_losses(model, replace(SETTINGS, runs=1, steps=6), paint_target(model, SETTINGS)))
    for gradient in GRADIENTS:
        losses = [p.loss for p in points if p.gradient == gradient]
        assert losses[-1] < losses[0]


def test_the_same_seed_gives_the_same_figures():
    def once():
        model = tiny_model()
        target = paint_target(model, SETTINGS)
        return ([p.loss for p in compare_losses(model, SETTINGS, target)],
                [p.scales["naive"].tolist() for p in compare_scales(model, SETTINGS, target)])
    assert once() == once()


@pytest.mark.parametrize("figure", [compare_losses, compare_scales])
def test_stopped_or_abandoned_it_leaves_the_model_as_it_was(model, figure):
    before = list(model.text_encoder.state_dict())
    target = paint_target(model, SETTINGS)
    assert len(list(figure(model, SETTINGS, target, should_stop=lambda: True))) <= 1
    assert list(model.text_encoder.state_dict()) == before
    events = figure(model, SETTINGS, target)
    next(events)
    events.close()
    assert list(model.text_encoder.state_dict()) == before
    assert not any(p.requires_grad for p in model.text_encoder.parameters())


def test_a_loss_that_is_not_finite_is_told_as_it_is(model, monkeypatch):
    target = paint_target(model, SETTINGS)
    monkeypatch.setattr(gradient_lab, "add_gradient", lambda *_: math.nan)
    assert math.isnan(next(iter(compare_losses(model, SETTINGS, target))).loss)


def test_a_scheduler_that_adds_noise_is_refused(model):
    from diffusers import EulerAncestralDiscreteScheduler
    noisy = replace(model, scheduler=tiny_scheduler(EulerAncestralDiscreteScheduler))
    with pytest.raises(NonLinearSchedulerError):
        next(compare_scales(noisy, SETTINGS, paint_target(model, SETTINGS)))


def test_prompts_and_settings_are_checked(model):
    with pytest.raises(PromptError):
        paint_target(model, replace(SETTINGS, target_prompt=" "))
    with pytest.raises(ValueError, match="runs is 0"):
        replace(SETTINGS, runs=0)
    with pytest.raises(ValueError, match="learning_rate"):
        replace(SETTINGS, learning_rate=0.0)




def test_a_target_that_is_not_finite_is_told_with_what_to_do(model):
    with torch.no_grad():
        model.vae.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(NotFiniteError, match="1 of the target's 1 pictures are not finite.*Load the model in float32"):
        paint_target(model, SETTINGS)
