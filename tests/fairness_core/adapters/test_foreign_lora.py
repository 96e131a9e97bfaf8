"""LoRA as peft, diffusers, kohya's and LyCORIS' scripts write it paints here what it paints in a stock pipeline."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from helpers.fakes import tiny_model, tiny_pipeline
from helpers.foreign_adapters import RANKS, random_lora
from helpers.small_pipelines import WIDTH_2, small_pipeline
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from torch import nn

from fairness_core.adapters.attach import load_adapter, save_adapter
from fairness_core.adapters.conversion import convert
from fairness_core.adapters.files import AdapterError, read_adapter
from fairness_core.evaluation.compare import paint
from fairness_core.sampling.denoise import draw_noise

PROMPT, NUMBERS, STEPS, GUIDANCE = "a nurse", range(2), 3, 3.0
UNET, ENCODER = ["to_q", "to_v"], ["q_proj", "fc1"]
PATTERNS = dict(rank_pattern={"to_v": 1, "fc1": 2}, alpha_pattern={"to_v": 5, "encoder.layers.0.mlp.fc1": 7})
SETTINGS = {"plain": {}, "ranks and alphas by layer": PATTERNS, "rsLoRA": dict(use_rslora=True),
            "rsLoRA by layer": dict(use_rslora=True, **PATTERNS), "alpha 0": dict(lora_alpha=0)}
EVERY_SETTING = pytest.mark.parametrize("kind", SETTINGS)
TOWERS = {"unet": UNET, "text_encoder": ENCODER}


def config(kind: str, tower: str) -> LoraConfig:
    return LoraConfig(**{"r": 3, "lora_alpha": 4, "target_modules": TOWERS[tower]} | SETTINGS[kind])


def move(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".lora_" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))


def ours(path: Path | None = None) -> np.ndarray:
    model = tiny_model()
    if path is not None:
        load_adapter(model, path)
    return (paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def painted(stock: StableDiffusionPipeline) -> np.ndarray:
    return stock([PROMPT] * len(NUMBERS), latents=draw_noise(PROMPT, NUMBERS, 0, (4, 8, 8)), num_inference_steps=STEPS,
                 guidance_scale=GUIDANCE, output_type="np").images


def by_stock(load: Callable[[StableDiffusionPipeline], object]) -> np.ndarray:
    stock = tiny_pipeline()
    load(stock)
    return painted(stock)


def assert_same(found: np.ndarray, expected: np.ndarray, moved: bool = True) -> None:
    assert np.abs(found - expected).max() < 1e-3
    assert (np.abs(expected - ours()).max() > 0.02) == moved


@EVERY_SETTING
def test_raw_peft_files(kind, tmp_path):
    stock = tiny_pipeline()
    for tower in TOWERS:
        tuned = get_peft_model(getattr(stock, tower), config(kind, tower))
        move(tuned)
        tuned.save_pretrained(tmp_path / f"my {tower}")
    sources = [tmp_path / f"my {tower}" / "adapter_model.safetensors" for tower in TOWERS]
    assert set(convert(sources, tmp_path / "converted.safetensors").lora) == set(TOWERS)
    expected = by_stock(lambda stock: [PeftModel.from_pretrained(getattr(stock, tower), tmp_path / f"my {tower}")
                                       for tower in TOWERS])
    assert_same(ours(tmp_path / "converted.safetensors"), expected, moved=kind != "alpha 0")


@EVERY_SETTING
def test_what_diffusers_saves_with_its_settings(kind, tmp_path):
    """Read as it is, and after a conversion, and saved again."""
    stock = tiny_pipeline()
    for tower in TOWERS:
        inject_adapter_in_model(config(kind, tower), getattr(stock, tower), "default")
        move(getattr(stock, tower))
    layers = {f"{tower}_lora_layers": get_peft_model_state_dict(getattr(stock, tower), adapter_name="default")
              for tower in TOWERS}
    StableDiffusionPipeline.save_lora_weights(
        tmp_path, **layers, **_collate_lora_metadata({tower: getattr(stock, tower) for tower in TOWERS}))
    file = tmp_path / "pytorch_lora_weights.safetensors"
    expected = by_stock(lambda stock: stock.load_lora_weights(tmp_path))
    assert_same(expected, painted(stock), moved=kind != "alpha 0")
    assert_same(ours(file), expected, moved=kind != "alpha 0")
    convert([file], tmp_path / "converted.safetensors")
    model = tiny_model()
    load_adapter(model, file)
    for again in (tmp_path / "converted.safetensors", save_adapter(model, tmp_path / "again")):
        assert_same(ours(again), expected, moved=kind != "alpha 0")
        assert_same(by_stock(lambda stock: stock.load_lora_weights(again.parent, weight_name=again.name)), expected,
                    moved=kind != "alpha 0")


@pytest.mark.parametrize("infix", ["", ".default"])
def test_a_resized_file_without_settings(infix, tmp_path):
    """Each layer of its own rank, as resizing scripts leave them; also by peft's own names."""
    plain, file = tmp_path / "plain.safetensors", tmp_path / "file.safetensors"
    tensors = {f"unet.{name}": value for name, value in random_lora(RANKS).items()}
    save_file(tensors, plain)
    save_file({name.replace(".weight", f"{infix}.weight"): value for name, value in tensors.items()}, file)
    expected = by_stock(lambda stock: stock.load_lora_weights(tmp_path, weight_name=plain.name))
    assert_same(ours(file), expected)
    part = convert([file], tmp_path / "converted.safetensors").lora["unet"]
    assert (part.rank, sorted(part.ranks.values())) == (3, [1, 3, 3])
    assert_same(ours(tmp_path / "converted.safetensors"), expected)
    convert([file], tmp_path / "kohya.safetensors", "kohya")
    assert_same(by_stock(lambda stock: stock.load_lora_weights(tmp_path, weight_name="kohya.safetensors")), expected)


def test_peft_s_own_state_dict(tmp_path):
    """network.state_dict() with LoRA in it, as many scripts save it."""
    stock = tiny_pipeline()
    inject_adapter_in_model(config("plain", "unet"), stock.unet, "default")
    move(stock.unet)
    tensors = {f"unet.{name}": value for name, value in stock.unet.state_dict().items() if ".lora_" in name}
    assert all(".default.weight" in name for name in tensors)
    scaled = {name: value * 4 / 3 if "lora_B" in name else value for name, value in tensors.items()}
    save_file(scaled, tmp_path / "peft.safetensors")
    assert_same(ours(tmp_path / "peft.safetensors"), painted(stock))
    second = {name.replace("default", "other"): value.clone() for name, value in tensors.items()}
    save_file(tensors | second, tmp_path / "two.safetensors")
    with pytest.raises(AdapterError, match=r"two.safetensors holds several adapters \(default, other\)"):
        read_adapter(tmp_path / "two.safetensors")


def test_lycoris_convolutions_have_ranks_of_their_own(tmp_path):
    layers = RANKS | {"down_blocks.0.resnets.0.conv1": 2, "mid_block.resnets.1.conv2": 2,
                      "mid_block.attentions.0.proj_out": 4}
    tensors = {}
    for name, value in random_lora(layers, ("lora_down", "lora_up")).items():
        layer, _, end = name.partition(".lora_")
        key = f"lora_unet_{layer.replace('.', '_')}"
        tensors |= {f"{key}.lora_{end}": value, f"{key}.alpha": torch.tensor(1.0 if "conv" in layer else 2.0)}
    save_file(tensors, tmp_path / "lycoris.safetensors")
    convert([tmp_path / "lycoris.safetensors"], tmp_path / "converted.safetensors")
    expected = by_stock(lambda stock: stock.load_lora_weights(tmp_path, weight_name="lycoris.safetensors"))
    assert_same(ours(tmp_path / "converted.safetensors"), expected)
    assert_same(by_stock(lambda stock: stock.load_lora_weights(tmp_path, weight_name="converted.safetensors")), expected)


def test_each_alpha_of_kohyas_counts_in_its_own_layer(tmp_path):
    """As kohya's scripts merge it: W + alpha / rank up(down(x)). Stock diffusers takes one alpha for another here."""
    stock, alphas, tensors = tiny_pipeline(), dict(zip(RANKS, (2.0, 0.0, 6.0))), {}
    halves = random_lora(RANKS, ("lora_down", "lora_up"))
    for layer, alpha in alphas.items():
        key, down, up = f"lora_unet_{layer.replace('.', '_')}", *(halves[f"{layer}.lora_{h}.weight"] for h in ("down", "up"))
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(alpha)}
        stock.unet.get_submodule(layer).weight.data += alpha / RANKS[layer] * up @ down
    save_file(tensors, tmp_path / "kohya.safetensors")
    convert([tmp_path / "kohya.safetensors"], tmp_path / "converted.safetensors")
    assert_same(ours(tmp_path / "converted.safetensors"), painted(stock))


def test_sdxls_text_projection_in_kohyas_names(tmp_path):
    generator, tensors = torch.Generator().manual_seed(0), {}
    for key in ("lora_te2_text_projection", "lora_te2_text_model_encoder_layers_1_self_attn_out_proj"):
        tensors |= {f"{key}.lora_down.weight": torch.randn(2, WIDTH_2, generator=generator),
                    f"{key}.lora_up.weight": torch.randn(WIDTH_2, 2, generator=generator),
                    f"{key}.alpha": torch.tensor(1.0)}
    save_file(tensors, tmp_path / "kohya.safetensors")
    convert([tmp_path / "kohya.safetensors"], tmp_path / "converted.safetensors")
    stock, model = small_pipeline("sdxl"), small_pipeline("sdxl")
    ids = torch.tensor([[5, 40, 60]])
    original = stock.text_encoder_2(ids).text_embeds
    stock.load_lora_weights(tmp_path, weight_name="kohya.safetensors")
    load_adapter(model, tmp_path / "converted.safetensors")
    expected = stock.text_encoder_2(ids).text_embeds
    torch.testing.assert_close(model.text_encoder_2(ids).text_embeds, expected, atol=1e-5, rtol=1e-5)
    assert (expected - original).abs().max() > 0.1


def test_the_names_of_diffusers_between_the_two_formats(tmp_path):
    """...to_q.lora.down.weight, as its training scripts of 2023 and 2024 save them."""
    named = {f"unet.{name}": value for name, value in random_lora(RANKS, ("lora.down", "lora.up")).items()}
    save_file(named, tmp_path / "between.safetensors")
    convert([tmp_path / "between.safetensors"], tmp_path / "converted.safetensors")
    assert_same(ours(tmp_path / "converted.safetensors"),
                by_stock(lambda stock: stock.load_lora_weights(tmp_path, weight_name="between.safetensors")))


def refused(tmp_path: Path, source: Path, says: str, format: str = "diffusers") -> None:
    with pytest.raises(AdapterError, match=says) as raised:
        convert([source], tmp_path / "converted.safetensors", format)
    assert source.name in str(raised.value) and "convert." not in str(raised.value).replace(source.name, "")
    assert not list(tmp_path.glob("*onverted*")) and not [p for p in tmp_path.iterdir() if p.name.startswith("tmp")]


@pytest.mark.parametrize(("options", "says"), [
    (dict(use_dora=True), "DoRA"), (dict(lora_bias=True), "lora_bias"), (dict(bias="all"), "biases"),
    (dict(modules_to_save=["conv_in"]), "modules_to_save")])
def test_other_kinds_of_peft_are_refused_by_name(options, says, tmp_path):
    tuned = get_peft_model(tiny_pipeline().unet, LoraConfig(r=2, target_modules=["to_out.0"], **options))
    tuned.save_pretrained(tmp_path / "peft")
    refused(tmp_path, tmp_path / "peft" / "adapter_model.safetensors", says)


def test_raw_peft_without_its_settings_says_what_is_missing(tmp_path):
    save_file({f"base_model.model.{name}": value for name, value in random_lora(RANKS).items()}, tmp_path / "a.safetensors")
    refused(tmp_path, tmp_path / "a.safetensors", "adapter_config.json: put that file beside it")
    (tmp_path / "adapter_config.json").write_text("[1]", encoding="utf-8")
    refused(tmp_path, tmp_path / "a.safetensors", "put that file beside it")


def test_nothing_is_left_of_what_would_not_load(tmp_path):
    tensors = {f"unet.{name}": value for name, value in random_lora(RANKS).items()}
    save_file(dict(list(tensors.items())[1:]), tmp_path / "half.safetensors")
    with pytest.raises(AdapterError, match="lacks one of its two matrices"):
        convert([tmp_path / "half.safetensors"], tmp_path / "converted.safetensors")
    odd = {name.replace("down_blocks.1", "elsewhere.processor.to_k"): value for name, value in tensors.items()}
    save_file(odd, tmp_path / "odd.safetensors")
    with pytest.raises(AdapterError):
        convert([tmp_path / "odd.safetensors"], tmp_path / "converted.safetensors", "kohya")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["half.safetensors", "odd.safetensors"]


def test_what_convert_writes_says_what_it_is_for(tmp_path):
    file = tmp_path / "kohya.safetensors"
    tensors = {f"lora_unet_{name.replace('.', '_', name.count('.') - 2)}": value
               for name, value in random_lora(RANKS, ("lora_down", "lora_up")).items()}
    save_file(tensors, file, {"ss_base_model_version": "sd_v1", "ss_sd_model_name": "dreamy.safetensors"})
    assert convert([file], tmp_path / "converted.safetensors").base == read_adapter(tmp_path / "converted.safetensors").base
    base = read_adapter(tmp_path / "converted.safetensors").base
    assert (base.architecture, base.name) == ("stable-diffusion-v1", "dreamy.safetensors")
    assert base.label == "Stable Diffusion 1.x"
    assert set(load_file(tmp_path / "converted.safetensors")) == {
        f"unet.{name}" for name in random_lora(RANKS)}
