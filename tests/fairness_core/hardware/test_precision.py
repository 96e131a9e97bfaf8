"""Half precision: gradients stay finite and close to float32's, the adapter is float32, a scale survives a save."""

from dataclasses import replace

import pytest
import torch
from helpers.small_pipelines import CONFIG, loaded, saved
from torch.nn import functional as F

from fairness_core.events import StepDone
from fairness_core.hardware import precision
from fairness_core.hardware.precision import FIRST_SCALE, fast_precision, loss_scaler
from fairness_core.models.loading import Model
from fairness_core.sampling.denoise import decode
from fairness_core.training.checkpoints import load_checkpoint, save_checkpoint
from fairness_core.training.finetune import finetune
from fairness_core.training.start import Run, start
from fairness_core.training.step import add_gradients, batch_of_step, take_step

HALVES = (torch.float16, torch.bfloat16)
TUNED = replace(CONFIG, tune="both", steps=2)


@pytest.fixture(scope="module", params=["sd21", "sdxl"])
def folder(request, tmp_path_factory):
    return saved(request.param, tmp_path_factory.mktemp("models") / request.param)


def gradient(run: Run) -> torch.Tensor:
    """Of the whole adapter, in one row, the loss scale taken back."""
    assert add_gradients(run, batch_of_step(run)).asked[0] is not None
    run.scaler.unscale_(run.optimizer)
    return torch.cat([p.grad.flatten() for p in run.parameters if p.grad is not None])


@pytest.mark.parametrize("half", HALVES)
def test_gradients_are_finite_and_point_where_float32_does(folder, half):
    model = loaded(folder, precision=half)
    assert {p.dtype for p in model.unet.parameters()} == {half}, "the frozen weights are in half precision"
    run = start(model, TUNED)
    assert {p.dtype for p in run.parameters} == {torch.float32} == {p.dtype for p in model.vae.parameters()}
    found, exact = gradient(run), gradient(start(loaded(folder), TUNED))
    assert found.isfinite().all() and F.cosine_similarity(found, exact, dim=0) > 0.9


@pytest.mark.parametrize("half", HALVES)
def test_a_finetune_in_half_precision_goes_through(folder, half, tmp_path):
    steps = [e for e in finetune(loaded(folder, precision=half), TUNED, tmp_path) if isinstance(e, StepDone)]
    assert len(steps) == 2 and not any(step.skipped for step in steps)


def test_the_scale_brings_small_gradients_through_float16(folder):
    """A loss 2^20 times smaller vanishes in places; the first scale loses nothing that arrives without one."""
    def reached(scale: float) -> float:
        run = start(loaded(folder, precision=torch.float16), TUNED)
        run.scaler.load_state_dict(run.scaler.state_dict() | {"scale": scale})
        return (gradient(run) != 0).float().mean().item()
    assert reached(2.0**-20) < reached(1.0) <= reached(FIRST_SCALE)


def test_a_step_that_overflows_is_skipped_and_the_scale_halved(folder, tmp_path):
    run = start(loaded(folder, precision=torch.float16), TUNED)
    before = [p.detach().clone() for p in run.parameters]
    run.scaler.load_state_dict(run.scaler.state_dict() | {"scale": 2.0**40})
    assert take_step(run).skipped == "the gradient was not finite"
    assert all(torch.equal(a, b) for a, b in zip(run.parameters, before)) and run.scaler.get_scale() == 2.0**39
    run.scaler.load_state_dict(run.scaler.state_dict() | {"scale": FIRST_SCALE})
    assert not take_step(run).skipped
    save_checkpoint(tmp_path, run.step, run.parameters, run.optimizer, run.average, run.scaler)
    run.scaler.load_state_dict(run.scaler.state_dict() | {"scale": 3.0})
    load_checkpoint(tmp_path, run.parameters, run.optimizer, run.average, run.scaler)
    assert run.scaler.get_scale() == FIRST_SCALE


def test_only_float16_needs_a_scale():
    cpu = torch.device("cpu")
    assert loss_scaler(cpu, torch.float16).get_scale() == FIRST_SCALE
    assert not loss_scaler(cpu, torch.bfloat16).is_enabled() and not loss_scaler(cpu, torch.float32).is_enabled()


@pytest.mark.parametrize(("generation", "expected"), [(9, torch.bfloat16), (7, torch.float16), (6, torch.float32)])
def test_the_fast_precision_of_a_gpu(monkeypatch, generation, expected):
    monkeypatch.setattr(precision.torch.cuda, "get_device_capability", lambda device: (generation, 0))
    assert fast_precision(torch.device("cuda")) == expected


def test_a_decoder_that_overflows_in_float16_computes_in_float32(tmp_path):
    model: Model = loaded(saved("sdxl", tmp_path))
    latents = torch.randn(1, *model.latent_shape)
    exact = decode(model.vae, latents)
    with torch.autocast("cpu", torch.float16):
        assert torch.equal(decode(model.vae, latents), exact)
        model.vae.register_to_config(force_upcast=False)
        assert not torch.equal(decode(model.vae, latents), exact)
