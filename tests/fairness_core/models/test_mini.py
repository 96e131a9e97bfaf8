"""The built-in model as it ships: it loads fast, and what is tuned here works in a stock diffusers pipeline."""


import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from fairness_core.adapters.attach import adapter_strength, detach_adapter, load_adapter
from fairness_core.evaluation.compare import paint
from fairness_core.events import Finished
from fairness_core.hardware.precision import fast_precision
from fairness_core.models.loading import ModelError, load_model
from fairness_core.sampling.denoise import draw_noise
from fairness_core.settings.attributes import ASSETS, load_attributes
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.prompts import prompt_for
from fairness_core.training.finetune import finetune

MINI = ASSETS / "mini"
PROMPT, NUMBERS, SEED, STEPS, GUIDANCE = prompt_for("firefighter"), range(2), 7, 5, 3.0
TOLERANCE = 1e-3  # of 1: the engine's attention and memory layout round differently

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mini():
    return load_model("mini", device=torch.device("cpu"), precision=torch.float32)


@pytest.fixture(scope="module")
def adapter(mini, tmp_path_factory):
    """Saved by finetune(), then made strong enough to be seen."""
    config = FinetuneConfig(
        prompts=(PROMPT,), marginals={"gender": {"female": 0.5, "male": 0.5}}, steps=1, images_per_prompt=2,
        sampling_steps=2, timesteps_per_update=1, lora_rank=4, film_strip_every=100)
    folder = tmp_path_factory.mktemp("run")
    (finished,) = (e for e in finetune(mini, config, folder) if isinstance(e, Finished))
    tensors, generator = load_file(finished.adapter), torch.Generator().manual_seed(0)
    for name, value in tensors.items():
        if "lora_B" in name:
            value += torch.randn(value.shape, generator=generator)
    save_file(tensors, finished.adapter)
    return finished.adapter


@pytest.fixture(scope="module")
def stock():
    pipeline = StableDiffusionPipeline.from_pretrained(MINI, safety_checker=None, requires_safety_checker=False)
    pipeline.to(torch.float32).set_progress_bar_config(disable=True)
    return pipeline


def painted_by_engine(mini) -> np.ndarray:
    images = paint(mini, PROMPT, NUMBERS, SEED, STEPS, GUIDANCE)
    return (images / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def painted_by_stock(stock, mini) -> np.ndarray:
    noise = draw_noise(PROMPT, NUMBERS, SEED, mini.latent_shape)
    return stock([PROMPT] * len(NUMBERS), latents=noise, num_inference_steps=STEPS, guidance_scale=GUIDANCE,
                 output_type="np").images


def test_it_is_small_and_told_by_name():
    """Its files are read within seconds: there are 40 MB of them."""
    model = load_model("mini")
    assert sum(path.stat().st_size for path in (ASSETS / "mini").rglob("*")) < 64 * 2 ** 20
    assert model.precision == fast_precision(model.device) and model.name == "mini"


def test_everything_is_frozen_and_its_classifiers_agree_with_the_attributes(mini):
    networks = [mini.text_encoder, mini.unet, mini.vae, mini.critics.classifier, mini.critics.evaluator]
    assert not any(p.requires_grad for network in networks for p in network.parameters())
    assert not any(network.training for network in networks)
    for network in (mini.critics.classifier, mini.critics.evaluator):
        assert {k: tuple(v) for k, v in network.heads_config.items()} == {
            name: attribute.class_names for name, attribute in load_attributes().items()}


def test_critics_see_an_image_and_its_prompt(mini):
    images = paint(mini, PROMPT, [0], SEED, 2, GUIDANCE)
    text = mini.critics.text_features([PROMPT, "another"])
    clip = mini.critics.encoders["clip"](images)
    assert text.shape == (2, clip.shape[1]) and mini.critics.encoders["dino"](images).shape[0] == 1
    bank = mini.critics.face_bank
    torch.testing.assert_close(bank.norm(dim=-1), torch.ones(len(bank)), atol=1e-2, rtol=0)


def test_the_engine_paints_as_a_stock_pipeline(mini, stock):
    stock.unload_lora_weights()
    assert np.abs(painted_by_engine(mini) - painted_by_stock(stock, mini)).max() < TOLERANCE


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_an_adapter_works_in_a_stock_pipeline(mini, stock, adapter, strength):
    original = painted_by_engine(mini)
    load_adapter(mini, adapter)
    with adapter_strength(mini, strength):
        expected = painted_by_engine(mini)
    detach_adapter(mini)
    assert np.abs(expected - original).max() > 100 * TOLERANCE  # the adapter is seen
    stock.unload_lora_weights()
    stock.load_lora_weights(adapter.parent, adapter_name="fair")
    stock.set_adapters("fair", strength)
    assert np.abs(painted_by_stock(stock, mini) - expected).max() < TOLERANCE


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ModelError, match="choose among mini"):
        load_model("large")
