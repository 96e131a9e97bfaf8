"""Small checkpoints of every kind, saved by diffusers and loaded as a user would: same pictures, and tuned."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (DiffusionPipeline, DPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler,
                       EulerAncestralDiscreteScheduler, LCMScheduler)
from helpers.fakes import TOKENS
from helpers.gradients import Weighing, assert_same, loss_gradient, loss_of
from helpers.small_pipelines import (CONFIG, GUIDANCE, KINDS, NUMBERS, PROMPT, SCHEDULERS, SIZE, STEPS, loaded, saved,
                                     small_pipeline)
from safetensors.torch import load_file

from fairness_core.adapters.attach import AdapterError, attach_adapter, load_adapter, save_adapter
from fairness_core.evaluation.compare import paint
from fairness_core.events import StepDone
from fairness_core.models.loading import Model, ModelError, load_model
from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import PromptError, decode, denoise, draw_noise, to_uint8
from fairness_core.sampling.gradients import accumulate_gradients, every_pair
from fairness_core.settings.attributes import ASSETS, load_attributes
from fairness_core.settings.config import ConfigError
from fairness_core.training.finetune import finetune


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return saved(request.param, tmp_path_factory.mktemp(request.param) / request.param)


def by_stock(pipeline: DiffusionPipeline, model: Model, guidance: float = GUIDANCE) -> np.ndarray:
    """The same pictures by diffusers' own pipeline, with the engine's solver."""
    pipeline.scheduler = type(model.scheduler).from_config(model.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    noise = draw_noise(PROMPT, NUMBERS, 0, model.latent_shape)
    images = pipeline([PROMPT] * len(noise), latents=noise, num_inference_steps=STEPS, guidance_scale=guidance,
                      output_type="np").images
    return (images * 255).round().astype(np.uint8)


@pytest.mark.parametrize("guidance", [1.0, GUIDANCE])
def test_it_paints_what_the_stock_pipeline_paints(folder, guidance):
    model, stock = loaded(folder), DiffusionPipeline.from_pretrained(folder)
    ours = to_uint8(paint(model, PROMPT, NUMBERS, 0, STEPS, guidance))
    expected = by_stock(stock, model, guidance)
    assert ours.shape == (2, 2 * SIZE, 2 * SIZE, 3) and model.image_size == 2 * SIZE
    assert np.abs(ours.astype(int) - expected).max() <= 1 and ours.std() > 1


@pytest.mark.parametrize("tune", ["text_encoder", "both"])
def test_a_step_is_taken_and_the_stock_pipeline_reads_the_adapter(folder, tune, tmp_path):
    model = loaded(folder)
    before = to_uint8(paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE))
    events = list(finetune(model, replace(CONFIG, tune=tune), tmp_path))
    [step] = [e for e in events if isinstance(e, StepDone)]
    adapter = events[-1].adapter
    assert not step.skipped and all(math.isfinite(loss) for loss in step.losses.values())
    encoders = {"text_encoder", "text_encoder_2"} if model.text_encoder_2 else {"text_encoder"}
    assert {name.split(".")[0] for name in load_file(adapter)} == encoders | ({"unet"} if tune == "both" else set())
    load_adapter(model, adapter)
    tuned = to_uint8(paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE))
    stock = DiffusionPipeline.from_pretrained(folder)
    stock.load_lora_weights(adapter.parent)
    assert np.abs(tuned.astype(int) - by_stock(stock, model)).max() <= 1
    assert np.abs(tuned.astype(int) - before).max() > 1, "one step of this learning rate is seen"


@pytest.mark.parametrize("mode", ["unscaled", "adjusted"])
def test_the_adapters_gradient_is_that_of_autograd(folder, mode):
    """Through the solver, the U-Net and every text encoder, SDXL's pooled embedding included."""
    model = loaded(folder)
    parameters = attach_adapter(model, "both", rank=2, alpha=2, targets=("attention",), soft_tokens=1, seed=0)
    with torch.no_grad():
        for parameter in parameters:
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    coefficients = scheduler_coefficients(model.scheduler, STEPS)
    weights = step_weights(coefficients, mode)
    noise = draw_noise(PROMPT, NUMBERS, 0, model.latent_shape)
    factors = [float(w / k) if k else 0.0 for w, k in zip(weights, coefficients.outputs)]
    latents = denoise(Weighing(model.unet, factors), model.scheduler, noise, condition(model, PROMPT, GUIDANCE), STEPS,
                      detach_inputs=True).latents
    expected = torch.autograd.grad(loss_of(latents), parameters, allow_unused=True)
    conditioning = condition(model, PROMPT, GUIDANCE)
    with torch.no_grad():
        trajectory = denoise(model.unet, model.scheduler, noise, conditioning, STEPS)
    accumulate_gradients(model.unet, trajectory, conditioning, loss_gradient(trajectory.latents), weights,
                         every_pair(range(STEPS), range(len(noise))), 1.0, images_per_batch=3).backward(conditioning)
    reached = [i for i, gradient in enumerate(expected) if gradient is not None]
    assert len(reached) > len(parameters) / 2 and [i for i, p in enumerate(parameters) if p.grad is not None] == reached
    assert_same([parameters[i].grad for i in reached], [expected[i] for i in reached])


def test_the_solver_is_the_models_own_but_for_pndm(folder):
    """PNDM calls the U-Net more often than it steps; DPM-Solver++ solves the same equation."""
    kind, scheduler = folder.name, loaded(folder).scheduler
    assert type(scheduler) is (DPMSolverMultistepScheduler if kind == "sd15" else type(SCHEDULERS[kind]))
    for setting in ("prediction_type", "beta_schedule", "beta_end", "steps_offset"):
        assert scheduler.config[setting] == SCHEDULERS[kind].config[setting]


def test_sdxl_without_zeros_tells_the_empty_prompt(tmp_path):
    pipeline = small_pipeline("sdxl")
    pipeline.register_to_config(force_zeros_for_empty_prompt=False)
    pipeline.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    assert condition(model, PROMPT, GUIDANCE).unconditional[:, :-1].any()
    ours = to_uint8(paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE))
    assert np.abs(ours.astype(int) - by_stock(DiffusionPipeline.from_pretrained(tmp_path), model)).max() <= 1


def test_soft_tokens_are_for_one_text_encoder(tmp_path):
    with pytest.raises(ConfigError, match="two text encoders, and soft tokens are for one: tune 'text_encoder'"):
        list(finetune(loaded(saved("sdxl", tmp_path / "xl")), replace(CONFIG, tune="tokens"), tmp_path / "run"))


def test_an_adapter_of_sdxl_is_refused_by_another_model(tmp_path):
    model = loaded(saved("sdxl", tmp_path / "xl"))
    attach_adapter(model, "text_encoder", rank=2, alpha=2, targets=("mlp",), soft_tokens=1, seed=0)
    with pytest.raises(AdapterError, match="made for another model"):
        load_adapter(loaded(saved("sd15", tmp_path / "sd")), save_adapter(model, tmp_path))


@pytest.mark.parametrize(("scheduler", "unet", "says"), [
    (LCMScheduler(), {}, "adds noise or is not linear"),
    (EulerAncestralDiscreteScheduler(), {}, "adds noise or is not linear"),
    (None, {"time_cond_proj_dim": 8}, "distilled with the guidance scale"),
    (None, {"in_channels": 9}, "paints over pictures"),
    (None, {"class_embed_type": "timestep"}, "other conditions than a prompt")])
def test_what_cannot_be_finetuned_is_refused_in_words(tmp_path, scheduler, unet, says):
    with pytest.raises(ModelError, match=says):
        loaded(saved("sd21", tmp_path, scheduler=scheduler, **unet))


def test_damaged_and_foreign_folders_are_refused_in_words(tmp_path):
    def refused(says: str, folder=tmp_path / "sd") -> None:
        with pytest.raises(ModelError, match=says):
            loaded(folder)

    folder = saved("sd15", tmp_path / "sd")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:len(whole) // 2])
    refused("cannot be read")
    weights.rename(folder / "unet" / "diffusion_pytorch_model.bin")
    refused("lacks unet/.*only weights in safetensors")
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "PixArtAlphaPipeline"}), encoding="utf-8")
    refused("is a PixArtAlphaPipeline: only Stable Diffusion")
    (folder / "model_index.json").write_text("{", encoding="utf-8")
    refused("no readable model_index.json")
    refused("holds no model_index.json", tmp_path)


def test_half_precision_files_alone_are_read_too(tmp_path):
    whole, half = saved("sd15", tmp_path / "whole"), tmp_path / "half"
    small_pipeline("sd15").to(torch.float16).save_pretrained(half, variant="fp16")
    a, b = (paint(loaded(folder), PROMPT, NUMBERS, 0, STEPS, GUIDANCE) for folder in (whole, half))
    assert (half / "unet" / "diffusion_pytorch_model.fp16.safetensors").exists()
    assert 0 < (a - b).abs().max() < 0.05


def test_critics_for_photographs_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("FAIRNESS_CRITICS", raising=False)
    with pytest.raises(ModelError, match="needs critics for photographs.*FAIRNESS_CRITICS"):
        load_model(str(saved("sd15", tmp_path / "mine")))
    monkeypatch.setenv("FAIRNESS_CRITICS", str(ASSETS / "mini"))
    assert load_model(str(tmp_path / "mine")).critics.classifier.heads_config.keys() == load_attributes().keys()


def test_latents_with_a_mean_and_deviation_a_channel(tmp_path):
    """Playground 2.5's kind of SDXL, with its own solver."""
    pipeline = small_pipeline("sdxl", EDMDPMSolverMultistepScheduler())
    pipeline.vae.register_to_config(latents_mean=[-1.6, 1.1, -3.3, 2.6], latents_std=[8.4, 5.9, 0.4, 2.9],
                                    scaling_factor=0.5)
    pipeline.save_pretrained(tmp_path)
    model = loaded(tmp_path)
    ours = to_uint8(paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE))
    assert np.abs(ours.astype(int) - by_stock(DiffusionPipeline.from_pretrained(tmp_path), model)).max() <= 1
    latents = torch.randn(1, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    leaf = latents.clone().requires_grad_()
    decode(model.vae, leaf).sum().backward()
    scaled = (latents * torch.tensor([8.4, 5.9, 0.4, 2.9]).view(1, 4, 1, 1) / 0.5
              + torch.tensor([-1.6, 1.1, -3.3, 2.6]).view(1, 4, 1, 1)).requires_grad_()
    model.vae.decode(scaled).sample.sum().backward()
    torch.testing.assert_close(leaf.grad, scaled.grad * torch.tensor([8.4, 5.9, 0.4, 2.9]).view(1, 4, 1, 1) / 0.5)


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_a_tokenizer_without_a_limit_takes_the_text_encoders(kind, tmp_path):
    folder = saved(kind, tmp_path)
    expected = paint(loaded(folder), PROMPT, NUMBERS, 0, STEPS, GUIDANCE)
    for name in ("tokenizer", "tokenizer_2")[:2 if kind == "sdxl" else 1]:
        settings = json.loads((folder / name / "tokenizer_config.json").read_text(encoding="utf-8"))
        del settings["model_max_length"]
        (folder / name / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    model = loaded(folder)
    assert model.tokenizer.model_max_length == TOKENS
    assert torch.equal(paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE), expected)
    with pytest.raises(PromptError, match=f"which reads {TOKENS - 2}"):
        condition(model, "x" * TOKENS, GUIDANCE)


@pytest.mark.parametrize(("kind", "written", "size"), [
    ("sd15", [SIZE, SIZE], SIZE), ("sd15", [SIZE, 2 * SIZE], SIZE), ("sd15", None, 64), ("sdxl", None, 128)])
def test_a_unet_that_names_its_size_otherwise(kind, written, size, tmp_path):
    folder = saved(kind, tmp_path, sample_size=written)
    model = loaded(folder)
    assert model.latent_shape == (4, size, size) and model.image_size == 2 * size
    assert paint(model, PROMPT, [0], 0, 1, 1.0).shape == (1, 3, 2 * size, 2 * size)
