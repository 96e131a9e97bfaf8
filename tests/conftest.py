"""Shared fixtures: the tiny pipeline, and what every test of the sampler starts from."""

import os

# Threads that spin for long while they wait make small models many times slower on a busy machine; read when torch is
# loaded. Not to spin at all (OMP_WAIT_POLICY=PASSIVE) would make them half as fast on a quiet one.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import pytest
import torch
from diffusers import StableDiffusionPipeline
from helpers.fakes import LATENT_SHAPE, tiny_model, tiny_pipeline
from torch import Tensor

from fairness_core.models.loading import Model
from fairness_core.sampling.denoise import Conditioning, draw_noise, encode_prompts

GUIDANCE = 3.0


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return tiny_pipeline()


@pytest.fixture
def model() -> Model:
    """The pipeline's parts with fake critics, ready for finetune() and compare()."""
    return tiny_model()


@pytest.fixture
def noise() -> Tensor:
    return draw_noise("a nurse", range(3), seed=0, shape=LATENT_SHAPE)


@pytest.fixture
def conditioning(pipeline) -> Conditioning:
    """One prompt for all images, guided, without graph."""
    with torch.no_grad():
        embeddings = encode_prompts(pipeline.tokenizer, pipeline.text_encoder, ["a nurse", ""])
    return Conditioning(embeddings[:1], embeddings[1:], GUIDANCE)
