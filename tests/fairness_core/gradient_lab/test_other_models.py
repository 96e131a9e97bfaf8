"""The lab on models with more than one text encoder, and on transformers: the steps' shares are the whole gradient."""

import pytest
import torch
from helpers.gradients import assert_same
from helpers.small_pipelines import loaded, saved
from helpers.small_transformers import loaded_flow, saved_flow

from fairness_core.gradient_lab import measure
from fairness_core.gradient_lab.measure import LabSettings, add_gradient, compare_scales, paint_target, step_shares
from fairness_core.sampling.denoise import draw_noise

SETTINGS = LabSettings("a nurse", "a chef", runs=1, steps=1, images=1, noises=1, sampling_steps=3, guidance_scale=3.0,
                       learning_rate=0.01, lora_rank=2)


@pytest.fixture(scope="module", params=["sdxl", "sd35", "flux-dev"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / request.param
    return loaded(saved("sdxl", folder)) if request.param == "sdxl" else loaded_flow(saved_flow(request.param, folder))


@pytest.mark.parametrize("detach_inputs", [True, False])
def test_the_shares_of_the_steps_are_the_whole_gradient(model, detach_inputs):
    target, parameters = paint_target(model, SETTINGS), measure.attach(model, SETTINGS, 0)
    with torch.no_grad():
        for parameter in parameters:
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    noise = draw_noise(SETTINGS.prompt, [0], 0, model.latent_shape)
    shares = list(step_shares(model, SETTINGS, target, noise, parameters, detach_inputs))
    add_gradient(model, SETTINGS, target, noise, "unscaled" if detach_inputs else "naive")
    reached = [i for i, parameter in enumerate(parameters) if parameter.grad is not None]
    assert len(reached) > len(parameters) / 2
    assert_same([sum(share[i] for share in shares) for i in reached], [parameters[i].grad for i in reached])


def test_scales_are_finite(model):
    [point] = compare_scales(model, SETTINGS, paint_target(model, SETTINGS))
    assert all((values > 0).all() for values in point.scales.values())
