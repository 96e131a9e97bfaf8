"""An adapter paints the same in a stock pipeline, and merged into the weights."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from helpers.adapters import (EVERY_LORA, GUIDANCE, NUMBERS, PROMPT, STEPS, assert_same_weights, attach, pictures,
                              saved, weights_of)
from helpers.fakes import tiny_pipeline
from torch import Tensor

from fairness_core.adapters.attach import (AdapterError, adapter_strength, detach_adapter, load_adapter, merge_adapter,
                                           save_adapter)
from fairness_core.sampling.denoise import draw_noise


def by_stock(pipeline, prompt: str) -> np.ndarray:
    noise = draw_noise(PROMPT, NUMBERS, 0, (4, 8, 8))
    return pipeline([prompt] * len(NUMBERS), latents=noise, num_inference_steps=STEPS, guidance_scale=GUIDANCE,
                    output_type="np").images


def as_stock(images: Tensor) -> np.ndarray:
    return (images / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


@EVERY_LORA
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_stock_pipeline_paints_the_same_with_lora_of_any_alpha(model, tmp_path, kind, strength):
    original = pictures(model)
    attach(model, kind)
    path = save_adapter(model, tmp_path)
    with adapter_strength(model, strength):
        expected = pictures(model)
    assert np.abs(as_stock(expected) - as_stock(original)).max() > 0.02
    stock = tiny_pipeline()
    stock.load_lora_weights(tmp_path, weight_name=path.name, adapter_name="fair")
    stock.set_adapters("fair", strength)
    assert np.abs(by_stock(stock, PROMPT) - as_stock(expected)).max() < 1e-3


@pytest.mark.parametrize("count", [1, 4])
def test_a_stock_pipeline_paints_the_same_with_soft_tokens(model, tmp_path, count):
    original = pictures(model)
    attach(model, "tokens", soft_tokens=count)
    save_adapter(model, tmp_path)
    expected = pictures(model)
    assert np.abs(as_stock(expected) - as_stock(original)).max() > 0.02
    stock = tiny_pipeline()
    stock.tokenizer = deepcopy(stock.tokenizer)  # it learns a word, and is shared
    stock.load_textual_inversion(tmp_path, token="<fair>")
    assert np.abs(by_stock(stock, f"<fair> {PROMPT}") - as_stock(expected)).max() < 1e-3


@EVERY_LORA
@pytest.mark.parametrize("strength", [1.0, 1.5, 0.0])
def test_merged_weights_paint_as_the_attached_adapter(model, tmp_path, kind, strength):
    path, names = saved(kind, tmp_path, moved=0.1), list(weights_of(model))
    load_adapter(model, path)
    with adapter_strength(model, strength):
        expected = pictures(model)
    detach_adapter(model)
    merge_adapter(model, path, strength)
    torch.testing.assert_close(pictures(model), expected, rtol=1e-3, atol=1e-3)
    assert list(weights_of(model)) == names


def test_a_merged_stock_pipeline_needs_no_adapter(model, tmp_path):
    path, stock = saved("both", tmp_path), tiny_pipeline()
    load_adapter(model, path)
    merge_adapter(stock, path)
    assert np.abs(by_stock(stock, PROMPT) - as_stock(pictures(model))).max() < 1e-3


def test_tokens_cannot_be_merged(model, tmp_path):
    path, before = saved("tokens", tmp_path), weights_of(model)
    with pytest.raises(AdapterError, match="cannot be merged"):
        merge_adapter(model, path)
    assert_same_weights(model, before)
