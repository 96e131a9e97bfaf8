"""Stable Diffusion 3 and FLUX, small and of the real classes: same pictures as the stock pipelines, and tuned."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
from helpers.small_pipelines import CONFIG, GUIDANCE, NUMBERS, PROMPT, STEPS, loaded, saved
from helpers.small_transformers import KINDS, PIXELS, SIDE, loaded_flow, saved_flow, stock, stock_pictures
from safetensors.torch import load_file, save_file

from fairness_core.adapters.attach import AdapterError, attach_adapter, load_adapter, save_adapter
from fairness_core.evaluation.compare import paint
from fairness_core.events import StepDone
from fairness_core.hardware.memory import keep_on_cpu
from fairness_core.models.loading import ModelError
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import to_uint8
from fairness_core.settings.config import ConfigError
from fairness_core.training.finetune import finetune

TURNS = pytest.mark.parametrize("tune", ["text_encoder", "unet", "both"])


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return saved_flow(request.param, tmp_path_factory.mktemp("flow") / request.param)


def ours(model, guidance: float = GUIDANCE) -> np.ndarray:
    return to_uint8(paint(model, PROMPT, NUMBERS, 0, STEPS, guidance))


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b).max())


@pytest.mark.parametrize("guidance", [1.0, GUIDANCE])
def test_it_paints_what_the_stock_pipeline_paints(folder, guidance):
    model = loaded_flow(folder)
    assert model.latent_shape == (16, SIDE, SIDE) and model.image_size == PIXELS
    assert model.unet is None and model.transformer is model.network
    pictures = ours(model, guidance)
    assert pictures.std() > 1
    assert difference(pictures, stock_pictures(stock(folder), guidance)) <= 1


def test_guidance_is_read_by_those_that_know_it(folder):
    """FLUX.1 [schnell] knows none: the same pictures at any strength."""
    model = loaded_flow(folder)
    assert (difference(ours(model, 1.0), ours(model, 5.0)) == 0) == (folder.name == "flux-schnell")


@TURNS
def test_a_step_is_taken_and_the_stock_pipeline_reads_the_adapter(folder, tune, tmp_path):
    model = loaded_flow(folder)
    before = ours(model)
    events = list(finetune(model, replace(CONFIG, tune=tune, learning_rate=0.5), tmp_path))
    [step] = [e for e in events if isinstance(e, StepDone)]
    assert not step.skipped and all(math.isfinite(loss) for loss in step.losses.values())
    adapter = events[-1].adapter
    encoders = {"text_encoder"} if "flux" in folder.name else {"text_encoder", "text_encoder_2"}
    wanted = {"text_encoder": encoders, "unet": {"transformer"}, "both": encoders | {"transformer"}}[tune]
    assert {name.split(".")[0] for name in load_file(adapter)} == wanted
    load_adapter(model, adapter)
    tuned, pipeline = ours(model), stock(folder)
    pipeline.load_lora_weights(adapter.parent)
    assert difference(tuned, stock_pictures(pipeline, GUIDANCE)) <= 1
    assert difference(tuned, before) > 1, "one step of this learning rate is seen"


@pytest.mark.parametrize("kind", ["sd35", "flux-dev"])
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(kind, tmp_path):
    model = loaded_flow(saved_flow(kind, tmp_path / "model"))
    config = replace(CONFIG, tune="both", steps=3, checkpoint_every=1)
    whole = list(finetune(model, config, tmp_path / "whole"))[-1].adapter
    stopped = finetune(model, config, tmp_path / "stopped")
    next(event for event in stopped if getattr(event, "step", 0) == 1)
    stopped.close()
    list(finetune(model, config, tmp_path / "stopped", should_stop=lambda: True))
    resumed = list(finetune(model, config, tmp_path / "stopped", resume=True))[-1].adapter
    a, b = load_file(whole), load_file(resumed)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_soft_tokens_of_flux_stand_before_what_clip_reads(tmp_path):
    """A stock pipeline is given the prompt without them for T5."""
    model = loaded_flow(saved_flow("flux-dev", tmp_path / "flux"))
    before = ours(model)
    adapter = list(finetune(model, replace(CONFIG, tune="tokens", learning_rate=0.5), tmp_path / "run"))[-1].adapter
    load_adapter(model, adapter)
    pipeline = stock(tmp_path / "flux")
    pipeline.load_textual_inversion(adapter.parent, token="<fair>")
    assert difference(ours(model), before) > 1
    assert difference(ours(model), stock_pictures(pipeline, GUIDANCE, f"<fair> {PROMPT}", prompt_2=PROMPT)) <= 1


def test_soft_tokens_are_refused_where_two_encoders_read(tmp_path):
    with pytest.raises(ConfigError, match="two text encoders, and soft tokens are for one: tune 'text_encoder'"):
        list(finetune(loaded_flow(saved_flow("sd3", tmp_path / "sd3")), replace(CONFIG, tune="tokens"), tmp_path / "run"))


def test_an_adapter_of_one_kind_is_refused_by_another(tmp_path):
    models = [loaded_flow(saved_flow(kind, tmp_path / kind)) for kind in ("sd3", "flux-dev")]
    adapter = list(finetune(models[0], replace(CONFIG, tune="unet"), tmp_path / "run"))[-1].adapter
    with pytest.raises(AdapterError, match="made for another model: for stable diffusion 3 of width 32, and this one is flux"):
        load_adapter(models[1], adapter)


def test_a_file_that_does_not_say_what_it_is_for_is_told_by_its_networks(tmp_path):
    """LoRA of a U-Net for a transformer, and the other way round."""
    flow, plain = loaded_flow(saved_flow("sd3", tmp_path / "sd3")), loaded(saved("sd15", tmp_path / "sd15"))
    for model, other, says in ((flow, plain, "this one has no transformer"), (plain, flow, "this one has no U-Net")):
        attach_adapter(model, "unet", rank=2, alpha=2, targets=("attention",), soft_tokens=1, seed=0)
        path = save_adapter(model, tmp_path / "adapter")
        save_file(load_file(path), path)
        with pytest.raises(AdapterError, match=f"made for another model: {says}"):
            load_adapter(other, path)


@pytest.mark.parametrize(("kind", "options", "says"), [
    ("sd3", {"scheduler": FlowMatchEulerDiscreteScheduler(stochastic_sampling=True)}, "adds noise or is not linear"),
    ("flux-dev", {"scheduler": FlowMatchHeunDiscreteScheduler()}, "FlowMatchHeunDiscreteScheduler"),
    ("flux-schnell", {"in_channels": 128}, "paints over pictures"), ("sd3", {"in_channels": 32}, "paints over pictures")])
def test_what_cannot_be_finetuned_is_refused_in_words(kind, options, says, tmp_path):
    with pytest.raises(ModelError, match=says):
        loaded_flow(saved_flow(kind, tmp_path / "model", **options))


def test_slices_of_attention_are_for_unets(tmp_path):
    with pytest.raises(ConfigError, match="attention_slicing is for U-Nets"):
        loaded_flow(saved_flow("sd3", tmp_path / "sd3"), memory_changes=["attention_slicing=true"])


@pytest.mark.parametrize("kind", ["sd35", "flux-dev"])
def test_t5_reads_a_prompt_once(kind, tmp_path, monkeypatch):
    model, read = loaded_flow(saved_flow(kind, tmp_path / "model")), []
    own = type(model.t5).read
    monkeypatch.setattr(type(model.t5), "read", lambda self, prompts, device: read.append(prompts) or own(self, prompts, device))
    first = condition(model, PROMPT, GUIDANCE).conditional
    assert torch.equal(condition(model, PROMPT, GUIDANCE).conditional, first)
    condition(model, "a judge", GUIDANCE)
    assert read == ([[PROMPT, ""], ["a judge"]] if kind == "sd35" else [[PROMPT], ["a judge"]])
    assert not any(parameter.requires_grad for parameter in model.t5.encoder.parameters())


def test_t5_answers_the_same_while_its_weights_wait(tmp_path):
    """As on a GPU, where they lie in the computer's memory."""
    model = loaded_flow(saved_flow("sd3", tmp_path / "sd3"))
    here = model.t5.read([PROMPT, "a judge"], model.device)
    keep_on_cpu(model.t5.encoder, model.device)
    assert torch.equal(model.t5.read([PROMPT, "a judge"], model.device), here)
