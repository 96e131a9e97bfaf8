"""Adapter files that are broken, foreign or unusual: refused in words, or read right."""

import json
import pickle

import pytest
import torch
from helpers.fakes import WIDTH, tiny_model
from safetensors.torch import load_file, save_file

from fairness_core.adapters.attach import attach_adapter, load_adapter, save_adapter
from fairness_core.adapters.files import AdapterError, read_adapter


@pytest.fixture
def file(tmp_path):
    """LoRA of both towers, rank 2."""
    model = tiny_model()
    attach_adapter(model, "both", rank=2, alpha=2, targets=("attention",), soft_tokens=1, seed=0)
    return save_adapter(model, tmp_path)


def header(path) -> dict:
    content = path.read_bytes()
    return json.loads(content[8:8 + int.from_bytes(content[:8], "little")])


def test_the_kind_is_told_by_the_names(file, tmp_path):
    found = read_adapter(file)
    assert set(found.lora) == {"text_encoder", "unet"} and found.tokens is None
    assert all((part.rank, part.alpha) == (2, 2) for part in found.lora.values())
    save_file({"<anything>": torch.ones(WIDTH)}, tmp_path / "one.safetensors")
    found = read_adapter(tmp_path / "one.safetensors")
    assert found.lora == {} and found.tokens.shape == (1, WIDTH)
    assert header(file)["__metadata__"]["format"] == "pt"


@pytest.mark.parametrize(("damage", "says"), [
    (lambda p: p.write_bytes(p.read_bytes()[:-10]), "not a whole safetensors file"),
    (lambda p: p.write_bytes(p.read_bytes()[:100]), "not a whole safetensors file"),
    (lambda p: p.write_bytes(b""), "not a whole safetensors file"),
    (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "Only safetensors are accepted"),
    (lambda p: (p.unlink(), p.mkdir()), "not a whole safetensors file"),
    (lambda p: p.unlink(), "There is no adapter file"),
    (lambda p: save_file(load_file(p), p, {"lora_adapter_metadata": "{"}), "not a whole safetensors file"),
    (lambda p: save_file(load_file(p), p, {"lora_adapter_metadata": "3"}), "not a whole safetensors file"),
])
def test_a_damaged_file_says_so(file, damage, says):
    damage(file)
    with pytest.raises(AdapterError, match=says) as raised:
        read_adapter(file)
    assert file.name in str(raised.value)


@pytest.mark.parametrize(("change", "says"), [
    (lambda t: {}, "neither LoRA in diffusers' names nor soft tokens"),
    (lambda t: {f"lora_unet_{n}": v for n, v in t.items()}, "neither LoRA"),
    (lambda t: {"a": torch.ones(2, 2), "b": torch.ones(2, 2)}, "neither LoRA"),
    (lambda t: {"a": torch.ones(2, 2, 2)}, "neither LoRA"),
    (lambda t: {"a": torch.ones(0, 16)}, "neither LoRA"),
    (lambda t: {"a": torch.tensor(1.0)}, "neither LoRA"),
    (lambda t: t | {"unet.conv_in.weight": torch.ones(1)}, "neither LoRA"),
    (lambda t: {n: torch.tensor(1.0) for n in t}, "no LoRA for the text encoder"),
    (lambda t: {n: v[:0] if "lora_A" in n else v[:, :0] for n, v in t.items()}, "no LoRA for the text encoder"),
    (lambda t: t | {n: v[:1] for n, v in t.items() if n.startswith("unet") and "to_k.lora_A" in n}, "LoRA for the unet"),
    (lambda t: {n: v.int() for n, v in t.items()}, "not finite numbers"),
    (lambda t: {n: v * float("nan") for n, v in t.items()}, "not finite numbers"),
])
def test_other_contents_are_refused(file, change, says):
    save_file({n: v.clone().contiguous() for n, v in change(load_file(file)).items()}, file)
    with pytest.raises(AdapterError, match=says) as raised:
        read_adapter(file)
    assert file.name in str(raised.value)


@pytest.mark.parametrize(("settings", "says"), [
    ({"unet.lora_alpha": "large"}, "one rank and one alpha"), ({"unet.use_rslora": True}, "one rank and one alpha"),
    ({"unet.alpha_pattern": 4}, "alpha_pattern cannot be read"), ({"unet.alpha_pattern": {"(": 4}}, "alpha_pattern"),
    ({"unet.use_dora": True}, "DoRA"), ({"unet.lora_bias": True}, "lora_bias"), ({"unet.bias": "all"}, "biases"),
    ({"unet.init_lora_weights": "pissa_niter_16"}, "changed weights of its model"), ({"unet.peft_type": "LOHA"}, "is LOHA"),
    ({"unet.use_something_new": True}, "use_something_new"), ({"text_encoder.use_dora": True}, "text encoder.*DoRA"),
])
def test_settings_that_would_be_read_wrong_are_refused(file, settings, says):
    save_file(load_file(file), file, {"lora_adapter_metadata": json.dumps(settings)})
    with pytest.raises(AdapterError, match=f"{file.name} holds no LoRA for the .*{says}"):
        read_adapter(file)


@pytest.mark.parametrize(("added", "says"), [
    ("lora_B.bias", r"a bias in LoRA \(lora_bias\)"), ("lora_magnitude_vector.weight", "DoRA"),
    ("lora_embedding_A", "LoRA of an embedding")])
def test_other_kinds_are_refused_by_name(file, added, says):
    tensors = load_file(file)
    layer = next(name for name in tensors if name.startswith("unet.")).partition(".lora_")[0]
    save_file(tensors | {f"{layer}.{added}": torch.ones(8)}, file)
    with pytest.raises(AdapterError, match=f"{added.partition('.')[0]}.* is {says}, and only plain LoRA"):
        read_adapter(file)


def test_an_alpha_of_zero_is_no_strength(file):
    """As stock diffusers counts it; the settings' lora_alpha: 0 is another thing, as large as the rank."""
    model = tiny_model()
    load_adapter(model, file)
    save_file(load_file(file), file, {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 0, "unet.r": 2})})
    load_adapter(model, file)
    assert {m.scaling["fairness"] for m in model.unet.modules() if hasattr(m, "scaling")} == {0.0}


def test_an_alpha_in_the_header_counts(file):
    """As diffusers' own training scripts write it."""
    save_file(load_file(file), file, {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 6, "unet.r": 2})})
    found = read_adapter(file)
    assert (found.lora["unet"].alpha, found.lora["text_encoder"].alpha) == (6, 2)
    model = tiny_model()
    load_adapter(model, file)
    assert {m.scaling["fairness"] for m in model.unet.modules() if hasattr(m, "scaling")} == {3.0}


def test_half_precision_is_read(file):
    save_file({n: v.bfloat16() for n, v in load_file(file).items()}, file)
    load_adapter(tiny_model(), file)


def test_a_pickle_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    path = tmp_path / "trap.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(AdapterError):
        read_adapter(path)
    assert not (tmp_path / "sprung").exists()
