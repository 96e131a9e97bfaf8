"""LoRA on the text encoder: identity, strength, average, and files that may be broken."""

import json
import pickle

import pytest
import torch
from fakes import tiny_text_encoder, tiny_tokenizer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fairness_core.adapters import (AdapterError, MovingAverage, adapter_strength, attach_lora, detach_lora,
                                    load_adapter, save_adapter)
from fairness_core.sampling import encode_prompts

RANK = 3


@pytest.fixture
def encoder() -> nn.Module:
    return tiny_text_encoder()


@torch.no_grad()
def encode(encoder: nn.Module) -> Tensor:
    return encode_prompts(tiny_tokenizer(), encoder, ["a nurse", "a chef"])


@torch.no_grad()
def perturb(parameters: list[nn.Parameter], seed: int = 0, size: float = 0.3) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.add_(size * torch.randn(parameter.shape, generator=generator))


def copy_of(encoder: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def assert_same_weights(encoder: nn.Module, expected: dict[str, Tensor]) -> None:
    found = encoder.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.fixture
def saved(encoder, tmp_path):
    """An adapter that changes something, on disk; the encoder is as it was loaded."""
    perturb(attach_lora(encoder, RANK, seed=0))
    path = save_adapter(encoder, tmp_path / "adapter")
    detach_lora(encoder)
    return path


def test_a_fresh_adapter_changes_nothing(encoder):
    before = encode(encoder)
    attach_lora(encoder, RANK, seed=0)
    assert torch.equal(encode(encoder), before)


def test_only_the_adapter_is_trainable_and_covers_attention_and_mlp(encoder):
    parameters = attach_lora(encoder, RANK, seed=0)
    trainable = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert len(trainable) == len(parameters) and all("lora_" in name for name in trainable)
    for layer in ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"):
        assert sum(layer in name for name in trainable) == 2 * 2  # two layers, A and B
    assert all(p.dtype == torch.float32 for p in parameters)
    assert {min(p.shape) for p in parameters} == {RANK}


def test_the_seed_decides_the_start_and_leaves_the_global_generator_alone(encoder):
    def start(seed: int) -> list[Tensor]:
        return [p.detach().clone() for p in attach_lora(encoder, RANK, seed)]

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = start(1), start(1), start(2)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first, same))
    assert not all(torch.equal(a, b) for a, b in zip(first, other))


def test_base_weights_never_change(encoder):
    before = copy_of(encoder)
    parameters = attach_lora(encoder, RANK, seed=0)
    encode_prompts(tiny_tokenizer(), encoder, ["a nurse"]).square().sum().backward()
    torch.optim.AdamW(parameters, lr=0.1).step()
    held = {name.replace("base_layer.", ""): value for name, value in encoder.state_dict().items() if "lora_" not in name}
    assert all(torch.equal(held[name], value) for name, value in before.items())
    detach_lora(encoder)
    assert_same_weights(encoder, before)


def test_detach_restores_the_encoder_and_may_be_repeated(encoder):
    before, weights = encode(encoder), copy_of(encoder)
    perturb(attach_lora(encoder, RANK, seed=0))
    encoder.disable_adapters()  # as an interrupted run may leave it
    detach_lora(encoder)
    detach_lora(encoder)
    assert torch.equal(encode(encoder), before)
    assert_same_weights(encoder, weights)
    perturb(attach_lora(encoder, RANK, seed=0))
    assert not torch.allclose(encode(encoder), before)


def test_attaching_replaces_the_earlier_adapter(encoder):
    before = encode(encoder)
    perturb(attach_lora(encoder, RANK, seed=0))
    parameters = attach_lora(encoder, RANK + 1, seed=0)
    assert torch.equal(encode(encoder), before)
    assert {min(p.shape) for p in parameters} == {RANK + 1}


def test_strength_is_zero_for_the_original_and_comes_back_after_the_block(encoder):
    original = encode(encoder)
    perturb(attach_lora(encoder, RANK, seed=0))
    tuned = encode(encoder)
    with adapter_strength(encoder, 0.0):
        assert torch.equal(encode(encoder), original)
        with adapter_strength(encoder, 1.0):
            assert torch.equal(encode(encoder), tuned)
        assert torch.equal(encode(encoder), original)
    assert torch.equal(encode(encoder), tuned)
    with pytest.raises(RuntimeError), adapter_strength(encoder, 0.0):
        raise RuntimeError
    assert torch.equal(encode(encoder), tuned)


def test_strength_scales_the_adapter(encoder):
    """Half the strength is the same as half of every B."""
    parameters = attach_lora(encoder, RANK, seed=0)
    perturb(parameters)
    with adapter_strength(encoder, 0.5):
        half = encode(encoder)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "lora_B" in name:
                parameter.mul_(0.5)
    torch.testing.assert_close(half, encode(encoder))


def test_strength_without_adapter_is_harmless(encoder):
    before = encode(encoder)
    with adapter_strength(encoder, 1.5):
        assert torch.equal(encode(encoder), before)


def test_moving_average_is_corrected_for_its_start():
    parameter = nn.Parameter(torch.tensor([1.0]))
    average = MovingAverage.of([parameter], decay=0.9)
    with average.applied([parameter]):
        assert parameter.item() == 1.0  # without any update, they stay as they are
    shown = []
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            parameter.fill_(value)
        average.update([parameter])
        with average.applied([parameter]):
            shown.append(parameter.item())
        assert parameter.item() == value
    weighted = (0.81 * 1 + 0.9 * 2 + 4) / (0.81 + 0.9 + 1)
    assert shown == pytest.approx([1.0, (0.9 + 2) / 1.9, weighted])


def test_moving_average_gives_the_parameters_back_after_an_error():
    parameter = nn.Parameter(torch.tensor([1.0]))
    average = MovingAverage.of([parameter], decay=0.5)
    average.update([parameter])
    with torch.no_grad():
        parameter.fill_(3.0)
    with pytest.raises(RuntimeError), average.applied([parameter]):
        raise RuntimeError
    assert parameter.item() == 3.0


def test_save_and_load(encoder, tmp_path):
    perturb(attach_lora(encoder, RANK, seed=0))
    expected, path = encode(encoder), save_adapter(encoder, tmp_path / "adapter")
    assert path == tmp_path / "adapter" / "pytorch_lora_weights.safetensors"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    detach_lora(encoder)
    load_adapter(encoder, path)
    assert torch.equal(encode(encoder), expected)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert save_adapter(encoder, tmp_path / "again").read_bytes() == path.read_bytes()


def test_loading_replaces_another_rank(encoder, saved):
    other = tiny_text_encoder()
    load_adapter(other, saved)
    perturb(attach_lora(encoder, RANK + 2, seed=3))
    load_adapter(encoder, saved)
    assert torch.equal(encode(encoder), encode(other))


def test_names_are_those_every_diffusers_reads(saved):
    assert all(name.startswith("text_encoder.text_model.encoder.layers.") for name in load_file(saved))


def test_names_without_the_model_prefix_are_read_too(encoder, saved, tmp_path):
    load_adapter(encoder, saved)
    expected = encode(encoder)
    path = tmp_path / "short.safetensors"
    save_file({name.replace("text_model.", ""): value for name, value in load_file(saved).items()}, path)
    load_adapter(encoder, path)
    assert torch.equal(encode(encoder), expected)


def broken(kind: str, saved, tmp_path):
    """(file, what the message must say)"""
    path, tensors = tmp_path / f"{kind}.safetensors", load_file(saved)
    first = next(iter(tensors))
    if kind == "truncated":
        path.write_bytes(saved.read_bytes()[:-10])
        return path, "not a whole safetensors file"
    if kind == "cut in the header":
        path.write_bytes(saved.read_bytes()[:100])
        return path, "not a whole safetensors file"
    if kind == "empty":
        path.write_bytes(b"")
        return path, "not a whole safetensors file"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(tensors))
        return path, "Only safetensors are accepted"
    if kind == "folder":
        path.mkdir()
        return path, "not a whole safetensors file"
    if kind == "missing":
        return path, "There is no adapter file"
    changed = {
        "other width": {name: torch.cat([v, v], -1) for name, v in tensors.items()},
        "a layer less": {name: v for name, v in tensors.items() if name != first},
        "a layer more": tensors | {first.replace("layers.0", "layers.9"): tensors[first]},
        "two ranks": tensors | {name: v[:1].clone() for name, v in tensors.items() if name == first},
        "for a unet": {name.replace("text_encoder.", "unet."): v for name, v in tensors.items()},
        "scalars": {name: torch.tensor(1.0) for name in tensors},
        "rank 0": {name: v[:0] if "lora_A" in name else v[:, :0] for name, v in tensors.items()},
    }[kind]
    save_file({name: v.clone().contiguous() for name, v in changed.items()}, path)
    misfit = kind in ("other width", "a layer less", "a layer more")
    return path, r"made for another model: encoder\.layers\S+ does not fit" if misfit else "no LoRA for the text encoder"


@pytest.mark.parametrize("kind", ["truncated", "cut in the header", "empty", "pickle", "folder", "missing", "other width",
                                  "a layer less", "a layer more", "two ranks", "for a unet", "scalars", "rank 0"])
def test_a_file_that_cannot_be_used_says_why_and_leaves_the_encoder_original(encoder, saved, tmp_path, kind):
    before, weights = encode(encoder), copy_of(encoder)
    path, says = broken(kind, saved, tmp_path)
    with pytest.raises(AdapterError, match=says) as raised:
        load_adapter(encoder, path)
    assert path.name in str(raised.value)
    assert torch.equal(encode(encoder), before)
    assert_same_weights(encoder, weights)


def test_a_pickle_is_never_run(encoder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    path = tmp_path / "trap.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(AdapterError):
        load_adapter(encoder, path)
    assert not (tmp_path / "sprung").exists()


def test_the_header_tells_where_the_file_is_from(saved):
    length = int.from_bytes(saved.read_bytes()[:8], "little")
    assert json.loads(saved.read_bytes()[8:8 + length])["__metadata__"]["format"] == "pt"
