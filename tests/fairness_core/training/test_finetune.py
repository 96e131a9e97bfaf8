"""finetune(): its events, what it leaves behind, and that a run stopped anywhere ends as if it had not been."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fakes import BrightnessNetwork, FixedDetector, tiny_model, tiny_tokenizer
from helpers.finetunes import CONFIG, assert_untouched, checkpointed, run, steps_of, weights_of
from safetensors.torch import load_file
from torch.nn import functional as F

from fairness_core.adapters.attach import attach_adapter, load_adapter
from fairness_core.critics.faces import crop_faces
from fairness_core.evaluation.compare import paint
from fairness_core.events import FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.sampling.denoise import encode_prompts, to_uint8
from fairness_core.settings.config import LossWeights, load_config
from fairness_core.training.finetune import finetune

# ---------------------------------------------------------------- events

def test_events_in_order(tmp_path):
    events = run(tmp_path)
    strips = [FilmStrip] * len(CONFIG.prompts)
    assert [type(e) for e in events] == [
        Started, *strips, StepDone, StepDone, *strips, Saved, StepDone, StepDone, *strips, Saved, Finished]
    adapter = tmp_path / "adapter" / "pytorch_lora_weights.safetensors"
    assert events[0] == Started(0, 4)
    assert events[-1] == Finished(4, "completed", adapter) and adapter.exists()
    assert [e.step for e in events if isinstance(e, Saved)] == [2, 4]
    assert load_config(tmp_path / "config.yaml") == CONFIG


def test_a_step_tells_what_it_did(tmp_path):
    for number, step in enumerate(steps_of(run(tmp_path)), start=1):
        assert (step.step, step.total_steps, step.skipped) == (number, 4, "")
        assert (step.images, step.faces_found) == (4, 4)
        assert step.prompt in CONFIG.prompts and step.seconds > 0
        assert set(step.losses) == {"total", "alignment", "semantics", "face"}
        assert all(np.isfinite(value) for value in step.losses.values()) and step.losses["alignment"] > 0
        assert 0 <= step.distance["gender"] <= 1


def test_the_last_step_ends_with_a_film_strip_whatever_its_number(tmp_path):
    events = run(tmp_path, replace(CONFIG, steps=3, film_strip_every=2))
    strips = [e for e in events if isinstance(e, FilmStrip)]
    assert [e.step for e in strips] == [0, 0, 2, 2, 3, 3]
    assert all(e.images.shape == (6, 16, 16, 3) and e.images.dtype == np.uint8 for e in strips)
    assert [(e.place, e.prompt) for e in strips] == 3 * list(enumerate(CONFIG.prompts))


def test_the_film_strip_shows_the_same_noises(tmp_path):
    """An adapter that hardly moved paints what the original paints from them."""
    model, settings = tiny_model(), (CONFIG.seed, CONFIG.sampling_steps, CONFIG.guidance_scale)
    original = {prompt: to_uint8(paint(model, prompt, range(6), *settings)) for prompt in CONFIG.prompts}
    for event in finetune(model, replace(CONFIG, learning_rate=1e-9), tmp_path):
        if isinstance(event, FilmStrip):
            assert np.abs(event.images.astype(int) - original[event.prompt]).max() <= 1


def test_trained_without_guidance_and_shown_with_it(tmp_path):
    """The adapter is that of a run without guidance; its film strip is painted as people will see it."""
    unguided = run(tmp_path / "unguided", replace(CONFIG, guidance_scale=1.0))
    events = run(tmp_path / "both", replace(CONFIG, guidance_scale=3.0, training_guidance_scale=1.0))
    for mine, theirs in zip(checkpointed(tmp_path / "both"), checkpointed(tmp_path / "unguided"), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    model = tiny_model()
    load_adapter(model, events[-1].adapter)
    strip, other = ([e for e in each if isinstance(e, FilmStrip)][-1] for each in (events, unguided))
    shown = to_uint8(paint(model, strip.prompt, range(6), CONFIG.seed, CONFIG.sampling_steps, 3.0))
    assert np.abs(strip.images.astype(int) - shown).max() <= 1 and not np.array_equal(strip.images, other.images)


# ---------------------------------------------------------------- what changes and what does not

@pytest.mark.parametrize("gradient", ["adjusted", "naive", "unscaled"])
def test_every_gradient_trains(tmp_path, gradient):
    config = replace(CONFIG, gradient=gradient, steps=2)
    events = run(tmp_path, config)
    assert not any(step.skipped for step in steps_of(events))
    assert all(value.abs().max() > 0 for value in checkpointed(tmp_path))  # B starts at zero


@pytest.mark.parametrize("options", [
    {"guidance_scale": 1.0}, {"unconditional_gradient": False}, {"timesteps_per_update": 0}, {"timesteps_per_update": 1}])
def test_every_way_to_the_gradient_trains(tmp_path, options):
    events = run(tmp_path, replace(CONFIG, steps=2, **options))
    assert not any(step.skipped for step in steps_of(events))
    assert all(value.abs().max() > 0 for value in checkpointed(tmp_path))


def test_the_model_is_left_as_it_was(tmp_path):
    model = tiny_model()
    before = {part: weights_of(getattr(model, part)) for part in ("text_encoder", "unet", "vae")}
    run(tmp_path, model=model)
    assert_untouched(model, before)


@pytest.mark.parametrize("tune", ["unet", "both", "tokens"])
@pytest.mark.parametrize("gradient", ["adjusted", "naive"])
def test_every_kind_trains_and_leaves_the_model_as_it_was(tmp_path, tune, gradient):
    model = tiny_model()
    before = {part: weights_of(getattr(model, part)) for part in ("text_encoder", "unet", "vae")}
    events = run(tmp_path, replace(CONFIG, tune=tune, gradient=gradient), model)
    assert not any(step.skipped for step in steps_of(events))
    assert_untouched(model, before)
    fresh = attach_adapter(model, tune, rank=2, alpha=2, targets=("attention", "mlp"), soft_tokens=5, seed=CONFIG.seed)
    trained = load_file(tmp_path / "checkpoint.safetensors")
    assert all((trained[f"parameter.{i}"] - p).abs().max() > 1e-3 for i, p in enumerate(fresh))
    load_adapter(model, events[-1].adapter)
    strip = [e for e in events if isinstance(e, FilmStrip)][-1]
    shown = to_uint8(paint(model, strip.prompt, range(6), CONFIG.seed, CONFIG.sampling_steps, CONFIG.guidance_scale))
    assert np.abs(strip.images.astype(int) - shown).max() <= 1


@pytest.mark.parametrize("tune", ["both", "tokens"])
def test_the_gradient_of_all_parameters_together_is_clipped(tmp_path, monkeypatch, tune):
    norms, step = [], torch.optim.AdamW.step

    def watched(self, *args, **options):
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(torch.stack([g.norm() for g in gradients]).norm().item())
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run(tmp_path / "a", replace(CONFIG, tune=tune, steps=1, max_grad_norm=1e6))
    run(tmp_path / "b", replace(CONFIG, tune=tune, steps=1, max_grad_norm=norms[0] / 10))
    assert norms[1] == pytest.approx(norms[0] / 10, rel=1e-3)


@pytest.mark.parametrize("tune", ["both", "tokens"])
def test_every_kind_trains_in_mixed_precision(tmp_path, tune):
    events = run(tmp_path, replace(CONFIG, tune=tune, steps=2), replace(tiny_model(), precision=torch.bfloat16))
    assert not any(step.skipped for step in steps_of(events))
    assert all(value.abs().max() > 0 for value in checkpointed(tmp_path))


def test_the_same_seed_gives_the_same_adapter_and_another_seed_another(tmp_path):
    first, second, other = (run(tmp_path / name, replace(CONFIG, seed=seed))[-1].adapter.read_bytes()
                            for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert first == second
    assert first != other


def test_a_linear_schedule_lowers_the_rate_evenly_to_nothing(tmp_path, monkeypatch):
    rates, real = [], torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    run(tmp_path / "linear", replace(CONFIG, learning_rate_schedule="linear"))
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    rates.clear()
    run(tmp_path / "constant")
    assert rates == [0.01] * 4


def test_the_adapter_changes_the_prompt_embeddings_once_loaded(tmp_path):
    model = tiny_model()
    adapter = run(tmp_path, model=model)[-1].adapter

    def embeddings() -> torch.Tensor:
        with torch.no_grad():
            return encode_prompts(tiny_tokenizer(), model.text_encoder, ["a nurse"])

    before = embeddings()
    load_adapter(model, adapter)
    assert not torch.allclose(embeddings(), before)


def test_what_is_saved_is_the_average(tmp_path):
    config = replace(CONFIG, steps=1, ema_decay=0.0)
    saved = load_file(run(tmp_path / "none", config)[-1].adapter)
    assert sorted(map(tensor_key, saved.values())) == sorted(map(tensor_key, checkpointed(tmp_path / "none")))
    slow = load_file(run(tmp_path / "slow", replace(config, steps=3, ema_decay=0.99))[-1].adapter)
    assert sorted(map(tensor_key, slow.values())) != sorted(map(tensor_key, checkpointed(tmp_path / "slow")))


def tensor_key(tensor: torch.Tensor) -> tuple:
    return tuple(tensor.flatten().tolist())


def test_a_short_run_moves_the_distribution_to_the_target(tmp_path):
    """A world where perception is brightness and 85 % start as male: ten adjusted steps even it out."""
    model = tiny_model()
    images = paint(model, "a nurse", range(64), 1, 3, 3.0)
    brightness = crop_faces(images, FixedDetector()(images).boxes, 8).mean((1, 2, 3))
    network = BrightnessNetwork(middle=brightness.quantile(0.15).item())
    bank = F.normalize(torch.rand(4, 3 * 8 * 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    model = replace(model, critics=replace(
        model.critics, classifier=network, evaluator=network, face_embedder=network, face_bank=bank))
    config = replace(
        CONFIG, prompts=("a nurse",), steps=12, images_per_prompt=16, noise_batches=0, learning_rate=0.02, lora_rank=4,
        timesteps_per_update=0, film_strip_every=100, checkpoint_every=100, losses=LossWeights(0.5, 0.05, 0.8))
    events = run(tmp_path, config, model)
    steps = steps_of(events)
    assert steps[0].distance["gender"] > 0.25
    assert np.mean([step.distance["gender"] for step in steps[-4:]]) < 0.15
    assert np.mean([step.losses["alignment"] for step in steps[-4:]]) < 0.6 * steps[0].losses["alignment"]
    load_adapter(model, events[-1].adapter)
    unseen = paint(model, "a nurse", range(64), 1, 3, 3.0)
    male = network.probabilities(crop_faces(unseen, FixedDetector()(unseen).boxes, 8))["gender"][:, 1].mean().item()
    assert 0.35 < male < 0.65
