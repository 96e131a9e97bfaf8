"""Shared fixtures: the tiny pipeline, and what every test of the sampler starts from."""

from fairness_core.hardware.allocator import tune_process

tune_process()

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # pytest reads this file once more than it has workers, and waits: what is large is loaded by the fixtures
    from diffusers import StableDiffusionPipeline
    from torch import Tensor

    from fairness_core.models.loading import Model
    from fairness_core.sampling.denoise import Conditioning

GUIDANCE = 3.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a test that takes long come first: those that follow are short, so that the workers end together."""
    long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture
def pipeline() -> "StableDiffusionPipeline":
    from helpers.fakes import tiny_pipeline
    return tiny_pipeline()


@pytest.fixture
def model() -> "Model":
    """The pipeline's parts with fake critics, ready for finetune() and compare()."""
    from helpers.fakes import tiny_model
    return tiny_model()


@pytest.fixture
def noise() -> "Tensor":
    from helpers.fakes import LATENT_SHAPE

    from fairness_core.sampling.denoise import draw_noise
    return draw_noise("a nurse", range(3), seed=0, shape=LATENT_SHAPE)


@pytest.fixture
def conditioning(pipeline) -> "Conditioning":
    """One prompt for all images, guided, without graph."""
    import torch

    from fairness_core.sampling.denoise import Conditioning, encode_prompts
    with torch.no_grad():
        embeddings = encode_prompts(pipeline.tokenizer, pipeline.text_encoder, ["a nurse", ""])
    return Conditioning(embeddings[:1], embeddings[1:], GUIDANCE)
