"""Every kind of adapter: attached, weakened, saved, loaded, merged; and the same pictures by a stock pipeline."""


import pytest
import torch
from helpers.adapters import (EVERY_KIND, EVERY_LORA, GUIDANCE, KINDS, PROMPT, RANK, assert_same_weights, attach,
                              pictures, saved, weights_of)
from helpers.fakes import TOKENS, WIDTH
from safetensors.torch import load_file, save_file
from torch import Tensor

from fairness_core.adapters.attach import (AdapterError, adapter_strength, detach_adapter, load_adapter, merge_adapter,
                                           save_adapter)
from fairness_core.adapters.files import LORA_FILE, TOKENS_FILE, saved_adapter
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import PromptError


@EVERY_LORA
def test_fresh_lora_changes_no_picture(model, kind):
    before = pictures(model)
    attach(model, kind, moved=0.0)
    assert torch.equal(pictures(model), before)


@EVERY_KIND
def test_what_is_trainable(model, kind):
    parameters = attach(model, kind)
    trainable = {f"{part}.{name}" for part in ("text_encoder", "unet")
                 for name, p in getattr(model, part).named_parameters() if p.requires_grad}
    assert len(trainable) == len(parameters) and all(p.dtype == torch.float32 for p in parameters)
    towers = {name.split(".")[0] for name in trainable}
    assert towers == {"both": {"text_encoder", "unet"}, "tokens": {"text_encoder"}}.get(kind, {kind})
    if kind == "tokens":
        assert trainable == {"text_encoder.soft_tokens.embeddings"} and parameters[0].shape == (4, WIDTH)


@pytest.mark.parametrize(("targets", "layers"), [
    (("attention",), {"q_proj", "k_proj", "v_proj", "out_proj"}), (("mlp",), {"fc1", "fc2"}),
    (("attention", "mlp"), {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"})])
def test_the_text_encoders_parts_can_be_chosen(model, tmp_path, targets, layers):
    attach(model, "both", targets=targets)
    trainable = {n.split(".lora_")[0].rpartition(".")[2] for n, p in model.text_encoder.named_parameters() if p.requires_grad}
    assert trainable == layers
    expected, path = pictures(model), save_adapter(model, tmp_path)
    load_adapter(model, path)
    torch.testing.assert_close(pictures(model), expected, rtol=1e-4, atol=1e-4)


@EVERY_LORA
def test_the_seed_decides_the_start_and_leaves_the_global_generator_alone(model, kind):
    def start(seed: int) -> list[Tensor]:
        return [p.detach().clone() for p in attach(model, kind, seed=seed, moved=0.0)]

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = start(1), start(1), start(2)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first, same))
    assert not all(torch.equal(a, b) for a, b in zip(first, other))


@EVERY_KIND
def test_detach_restores_the_model_and_another_kind_replaces_it(model, kind):
    before, weights = pictures(model), weights_of(model)
    for other in KINDS:
        attach(model, other)
        attach(model, kind)
        assert not torch.allclose(pictures(model), before, atol=1e-3)
        detach_adapter(model)
        detach_adapter(model)
        assert torch.equal(pictures(model), before)
        assert_same_weights(model, weights)


@EVERY_KIND
def test_strength_goes_from_the_original_to_the_adapter_and_beyond(model, kind):
    original = pictures(model)
    attach(model, kind, moved=0.1)
    tuned, moved = pictures(model), []
    for strength in (0.0, 0.5, 1.0, 1.5):
        with adapter_strength(model, strength):
            moved.append((pictures(model) - original).abs().mean().item())
            if strength == 1.0:
                assert torch.equal(pictures(model), tuned)
    assert moved[0] == 0 < moved[1] < moved[2] < moved[3]
    assert torch.equal(pictures(model), tuned)


def test_strength_without_adapter_is_harmless(model):
    before = pictures(model)
    with adapter_strength(model, 1.5):
        assert torch.equal(pictures(model), before)


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0, 1.5])
def test_the_strength_of_tokens_interpolates_the_prompts_embeddings(model, strength):
    plain = condition(model, PROMPT, GUIDANCE)
    attach(model, "tokens")
    full = condition(model, PROMPT, GUIDANCE)
    with adapter_strength(model, strength):
        found = condition(model, PROMPT, GUIDANCE)
    torch.testing.assert_close(found.conditional, (1 - strength) * plain.conditional + strength * full.conditional)
    assert torch.equal(found.unconditional, plain.unconditional)


@EVERY_KIND
def test_save_and_load(model, tmp_path, kind):
    weights = weights_of(model)
    attach(model, kind, alpha=RANK)
    expected, path = pictures(model), save_adapter(model, tmp_path / "adapter")
    assert path == saved_adapter(tmp_path / "adapter") == tmp_path / "adapter" / (
        TOKENS_FILE if kind == "tokens" else LORA_FILE)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    for before in KINDS:
        attach(model, before, seed=3, rank=RANK + 2)
        load_adapter(model, path)
        assert torch.equal(pictures(model), expected)
    assert not any(p.requires_grad for part in (model.text_encoder, model.unet) for p in part.parameters())
    assert save_adapter(model, tmp_path / "again").read_bytes() == path.read_bytes()
    detach_adapter(model)
    assert_same_weights(model, weights)


@pytest.mark.parametrize(("first", "second"), [("tokens", "unet"), ("both", "tokens")])
def test_a_folder_holds_the_last_adapter_only(tmp_path, first, second):
    saved(first, tmp_path)
    path = saved(second, tmp_path)
    assert list(tmp_path.iterdir()) == [path] and saved_adapter(tmp_path) == path


@pytest.mark.parametrize("prefix", ["", "text_model."])
def test_names_with_and_without_clips_older_prefix_are_read(model, tmp_path, prefix):
    path = saved("text_encoder", tmp_path)
    load_adapter(model, path)
    expected, tensors = pictures(model), load_file(path)
    assert all(name.startswith("text_encoder.text_model.encoder.layers.") for name in tensors)
    save_file({name.replace("text_model.", prefix): value for name, value in tensors.items()}, path)
    load_adapter(model, path)
    assert torch.equal(pictures(model), expected)


def misfit(kind: str, tmp_path):
    """(a readable file made for another model, what the message must say)"""
    path = tmp_path / "adapter.safetensors"
    if kind in ("token width", "too many tokens"):
        shape = (2, WIDTH + 1) if kind == "token width" else (TOKENS - 2, WIDTH)
        save_file({"<fair>": torch.zeros(shape)}, path)
        return path, "17 numbers each, this model's words have 16" if kind == "token width" else "room for 21"
    tensors = load_file(saved("both", tmp_path))
    unet, last = (next(n for n in tensors if n.startswith("unet.")), list(tensors)[-1])
    changed = {
        "other width": {name: torch.cat([v, v], -1) if "lora_A" in name else v for name, v in tensors.items()},
        "a tensor less": {name: v for name, v in tensors.items() if name != last},
        "a layer more": tensors | {unet.replace("attn1", "attn9"): tensors[unet]},
        "other towers": {("unet." if n[0] == "t" else "text_encoder.") + n.split(".", 1)[1]: v for n, v in tensors.items()},
        "no layer at all": {"unet.nothing.lora_A.weight": torch.zeros(2, 4), "unet.nothing.lora_B.weight": torch.zeros(4, 2)},
        "layer norm": {f"unet.conv_norm_out.lora_{x}.weight": torch.zeros(2, 2) for x in "AB"},
    }[kind]
    save_file({name: v.clone().contiguous() for name, v in changed.items()}, path)
    return path, "was made for another model: .+ does not fit"


@pytest.mark.parametrize("kind", ["other width", "a tensor less", "a layer more", "other towers", "no layer at all",
                                  "layer norm", "token width", "too many tokens"])
def test_a_file_for_another_model_is_refused_and_leaves_the_original(model, tmp_path, kind):
    before, weights = pictures(model), weights_of(model)
    path, says = misfit(kind, tmp_path)
    with pytest.raises(AdapterError, match=says) as raised:
        load_adapter(model, path)
    assert path.name in str(raised.value)
    assert torch.equal(pictures(model), before)
    assert_same_weights(model, weights)
    if "token" not in kind:
        with pytest.raises(AdapterError, match=says):
            merge_adapter(model, path)
        assert_same_weights(model, weights)


def test_a_prompt_too_long_for_the_tokens_is_refused(model, tmp_path):
    load_adapter(model, saved("tokens", tmp_path))
    with pytest.raises(PromptError, match="beside the 4 soft tokens"):
        pictures(model, "x" * (TOKENS - 3))
