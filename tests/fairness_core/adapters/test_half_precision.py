"""Adapters in half precision: half the bytes, the same pictures to rounding."""

import pytest
import torch
from helpers.adapters import EVERY_KIND, pictures, saved
from helpers.fakes import tiny_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fairness_core.adapters.attach import load_adapter
from fairness_core.adapters.files import AdapterError, halve_precision


def metadata(path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@EVERY_KIND
def test_it_loads_and_paints_the_same_to_rounding(kind, tmp_path):
    path, model = saved(kind, tmp_path, moved=.05), tiny_model()
    original = pictures(model)
    load_adapter(model, path)
    exact, told = pictures(model), metadata(path)
    halve_precision(path)
    assert metadata(path) == told and {v.dtype for v in load_file(path).values()} == {torch.float16}
    load_adapter(model, path)
    rounding = (pictures(model) - exact).abs().max()
    assert rounding < .02 * (exact - original).abs().max()
    trained = [p for tower in (model.text_encoder, model.unet) for n, p in tower.named_parameters()
               if "lora_" in n or "soft_tokens" in n]
    assert trained and {p.dtype for p in trained} == {torch.float32}


def test_values_beyond_half_precision_are_refused_and_the_file_stays(tmp_path):
    path = saved("text_encoder", tmp_path)
    save_file({name: value * 1e6 for name, value in load_file(path).items()}, path, metadata(path))
    before = path.read_bytes()
    with pytest.raises(AdapterError, match="not finite"):
        halve_precision(path)
    assert path.read_bytes() == before
