"""Recorded predictions and gradients against plain ones, bit for bit: stand-ins record on the CPU as a graph does on a GPU."""

import gc
import weakref
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler, UniPCMultistepScheduler
from helpers.fakes import tiny_model, tiny_scheduler
from helpers.finetunes import CONFIG
from helpers.recorders import BOTH_RECORDERS, Counted, run_again
from helpers.small_pipelines import small_pipeline
from torch import nn

from fairness_core.adapters.attach import adapter_strength, attach_adapter
from fairness_core.hardware import recorded
from fairness_core.sampling.conditioning import condition, condition_all
from fairness_core.sampling.denoise import denoise_in_parts
from fairness_core.sampling.gradients import accumulate_gradients, every_pair
from fairness_core.training import start as starting
from fairness_core.training import step
from fairness_core.training.checkpoints import load_checkpoint
from fairness_core.training.film import film_strips
from fairness_core.training.finetune import save

STEPS = 3


def noise_of(model, n: int = 4, seed: int = 0) -> torch.Tensor:
    side = model.unet.config.sample_size
    return torch.randn(n, 4, side, side, generator=torch.Generator().manual_seed(seed))


def conditioning_of(kind: str, model):
    with torch.no_grad():
        if kind == "several prompts":
            several = condition_all(model, ["a nurse", "a judge"], 3.0)
            return replace(several, prompt_of=torch.tensor([0, 1, 1, 0]))
        return condition(model, "a nurse", 1.0 if kind == "no guidance" else 3.0)


def sample(model, noise, conditioning, **options) -> list[torch.Tensor]:
    with torch.no_grad():
        found = denoise_in_parts(model.unet, options.pop("scheduler", model.scheduler), noise, conditioning, STEPS, **options)
    return [found.latents, found.model_inputs]


def plainly(model, *arguments, **options) -> list[torch.Tensor]:
    own, recorded.RECORDERS = recorded.RECORDERS, {}
    try:
        return sample(model, *arguments, **options)
    finally:
        recorded.RECORDERS = own


def assert_equal(found, expected) -> None:
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@BOTH_RECORDERS
@pytest.mark.parametrize("kind", ["guided", "no guidance", "several prompts", "half precision"])
def test_a_replay_is_the_plain_prediction(recorder, kind, monkeypatch):
    model, counted = tiny_model(), Counted(monkeypatch, recorder)
    conditioning = conditioning_of(kind, model)
    with torch.autocast("cpu", torch.bfloat16) if kind == "half precision" else nullcontext():
        for seed in range(3):
            noise = noise_of(model, seed=seed)
            assert_equal(sample(model, noise, conditioning), plainly(model, noise, conditioning))
    assert 1 <= counted.times <= 2, "one, and perhaps one more where the first step's memory is in another order"


@pytest.mark.parametrize("scheduler", [DDIMScheduler, UniPCMultistepScheduler])
def test_any_solver_goes_on_with_what_is_replayed(scheduler, monkeypatch):
    model, _, options = tiny_model(), Counted(monkeypatch), {"scheduler": tiny_scheduler(scheduler)}
    noise, conditioning = noise_of(model), conditioning_of("guided", model)
    assert_equal(sample(model, noise, conditioning, **options), plainly(model, noise, conditioning, **options))


def test_sdxl_is_told_all_it_needs(monkeypatch):
    pipeline, counted = small_pipeline("sdxl"), Counted(monkeypatch)
    pipeline.force_zeros_for_empty_prompt, pipeline.image_size = True, 16
    for prompt in ("a nurse", "a judge"):
        with torch.no_grad():
            conditioning = condition(pipeline, prompt, 3.0)
        noise = noise_of(pipeline)
        assert_equal(sample(pipeline, noise, conditioning), plainly(pipeline, noise, conditioning))
    assert counted.times <= 2


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_an_adapter_that_changes_in_place_needs_no_other_recording(precision, monkeypatch):
    """Nor does a replay read copies of its weights that autocast has made before."""
    model, counted = tiny_model(), Counted(monkeypatch)
    parameters = attach_adapter(model, "unet", rank=2, alpha=2, targets=("attention",), soft_tokens=0, seed=0)
    noise, conditioning, seen = noise_of(model), conditioning_of("guided", model), []
    for _ in range(3):
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            expected = plainly(model, noise, conditioning)
            assert_equal(seen[-1:] and sample(model, noise, conditioning) or expected, expected)
            seen.append(sample(model, noise, conditioning))
        with torch.no_grad():
            for parameter in parameters:
                parameter.add_(0.3)
    assert counted.times <= 2 and not torch.equal(seen[0][0], seen[1][0]) and not torch.equal(seen[1][0], seen[2][0])


def test_the_adapters_strength_is_no_part_of_another_recording(monkeypatch):
    model, counted = tiny_model(), Counted(monkeypatch)
    for parameter in attach_adapter(model, "unet", rank=2, alpha=2, targets=("attention",), soft_tokens=0, seed=0):
        parameter.data.add_(0.3)
    noise, conditioning = noise_of(model), conditioning_of("guided", model)
    for strength in (1.0, 0.0, 0.5, 1.0, 0.0):
        with adapter_strength(model, strength):
            assert_equal(sample(model, noise, conditioning), plainly(model, noise, conditioning))
    assert counted.times <= 2 * 3


@pytest.mark.parametrize("tune", ["text_encoder", "both"])
def test_a_finetune_is_the_same_bit_by_bit_and_its_weights_stay_where_they_are(tune, monkeypatch, tmp_path):
    """Through steps, averages in place of the weights, and a checkpoint."""
    monkeypatch.setattr(step, "GRAPHS_GB", 0.0)  # as on a GPU: gradients come after the sampling,
    monkeypatch.setattr(step, "RECORDERS", ("cpu",))  # and all originals of a step are painted together

    def trained() -> list[torch.Tensor]:
        run = starting.start(tiny_model(), replace(CONFIG, tune=tune, kept_prompts=("a man",)))
        before = [recorded.places_of(getattr(run.model, part)) for part in ("unet", "text_encoder")]
        for _ in range(3):
            step.take_step(run)
        list(film_strips(run)), save(run, tmp_path), load_checkpoint(tmp_path, run.parameters, run.optimizer, run.average)
        step.take_step(run)
        assert before == [recorded.places_of(getattr(run.model, part)) for part in ("unet", "text_encoder")]
        return [p.detach().clone() for p in run.parameters]

    expected = trained()
    counted = Counted(monkeypatch)
    assert_equal(trained(), expected)
    assert counted.times


@BOTH_RECORDERS
@pytest.mark.parametrize("tune", ["text_encoder", "unet"])
def test_the_gradient_of_a_batch_is_the_plain_one(recorder, tune, monkeypatch):
    model, times = tiny_model(), []
    parameters = attach_adapter(model, tune, rank=2, alpha=2, targets=("attention",), soft_tokens=0, seed=0)
    conditioning, weights = conditioning_of("several prompts", model), torch.ones(STEPS, dtype=torch.float64)

    def gradients(noise: torch.Tensor) -> list[torch.Tensor]:
        trajectory = denoise_in_parts(model.unet, model.scheduler, noise, conditioning, STEPS)
        at_prompts = accumulate_gradients(model.unet, trajectory, conditioning, noise, weights,
                                          every_pair(range(STEPS), range(len(noise))), 1.0, 6, is_recorded=True)
        at_weights = [p.grad for p in parameters if p.grad is not None]
        for parameter in parameters:
            parameter.grad = None
        return [at_prompts.conditional, at_prompts.unconditional, *at_weights]

    noises = [noise_of(model, seed=seed) for seed in range(3)]
    expected = [gradients(noise) for noise in noises]
    counted = Counted(monkeypatch, recorder)
    for noise, plain in zip(noises, expected):
        assert_equal(gradients(noise), plain)
        times.append(counted.times)
    assert len(expected[0]) == 2 + len(parameters) * (tune == "unet") and times == [1, 1, 1], "two batches of 6 at a time"


def test_what_is_asked_once_is_not_recorded_and_leaves_no_copies_of_weights(monkeypatch):
    network, counted, cached = nn.Linear(2, 2), Counted(monkeypatch, run_again), []

    def double(network: nn.Module, values: torch.Tensor) -> torch.Tensor:
        cached.append(torch.is_autocast_cache_enabled())
        return 2 * network(values)

    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for n in (1, 2, 3, 1, 1):
            values = torch.ones(n, 2)
            assert torch.equal(recorded.recorded(double, network, values.device)(network, values), double(network, values))
    assert counted.times == 1 and not any(cached[::2][:3])


def test_another_adapter_is_recorded_anew(monkeypatch):
    model, counted = tiny_model(), Counted(monkeypatch)
    noise, conditioning, times = noise_of(model), conditioning_of("guided", model), []
    for seed in range(2):
        attach_adapter(model, "unet", rank=2, alpha=2, targets=("attention",), soft_tokens=0, seed=seed)
        assert_equal(sample(model, noise, conditioning), plainly(model, noise, conditioning))
        times.append(counted.times)
    assert times[1] == 2 * times[0] and len(recorded.KEPT[model.unet].by_key) == times[0], "the old ones are forgotten"


def test_what_cannot_be_recorded_is_computed_plainly_and_said_once(monkeypatch, caplog):
    def refuse(work, device):
        raise RuntimeError("operation not permitted when stream is capturing\nmore about it")
    model, counted = tiny_model(), Counted(monkeypatch, refuse)
    noise, conditioning = noise_of(model), conditioning_of("guided", model)
    for _ in range(2):
        assert_equal(sample(model, noise, conditioning), plainly(model, noise, conditioning))
    [line] = caplog.messages
    assert "launched piece by piece" in line and line.endswith("stream is capturing") and counted.times == 1


def test_nothing_is_recorded_without_a_gpu_with_gradients_or_where_memory_is_short(monkeypatch):
    assert set(recorded.RECORDERS) == {"cuda"}
    model = tiny_model()
    noise, conditioning = noise_of(model), conditioning_of("guided", model)
    sample(model, noise, conditioning)
    counted = Counted(monkeypatch)
    denoise_in_parts(model.unet, model.scheduler, noise, conditioning, STEPS)
    sample(model, noise, conditioning, images_at_once=2)
    assert not counted.times and model.unet not in recorded.KEPT


def test_recordings_are_few_and_go_with_their_network(monkeypatch):
    model, _ = tiny_model(), Counted(monkeypatch, lambda work, device: (work(), lambda: None))
    monkeypatch.setattr(recorded, "MOST", 3)
    conditioning = conditioning_of("guided", model)
    for n in range(1, 6):
        sample(model, noise_of(model, n), conditioning)
    assert len(recorded.KEPT[model.unet].by_key) == 3
    gone = weakref.ref(model.unet)
    del model
    gc.collect()
    assert gone() is None
