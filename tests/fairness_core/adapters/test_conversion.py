"""Adapters of others paint here what they paint there, and ours there what they paint here."""

import pickle

import numpy as np
import pytest
import torch
from helpers.fakes import WIDTH, tiny_model, tiny_pipeline
from helpers.foreign_adapters import published_names, save_published, save_published_prefix
from safetensors.torch import load_file, save_file
from torch import Tensor

from fairness_core.adapters.attach import attach_adapter, load_adapter, merge_adapter, save_adapter
from fairness_core.adapters.conversion import convert
from fairness_core.adapters.files import AdapterError
from fairness_core.evaluation.compare import paint
from fairness_core.sampling.denoise import draw_noise
from fairness_core.tensor_files import TensorFileError

PROMPT, NUMBERS, STEPS, GUIDANCE = "a nurse", range(2), 3, 3.0
EVERY_LORA = pytest.mark.parametrize("tune", ["text_encoder", "unet", "both"])


def trained(tune: str, folder, **options):
    """The file of an adapter that changes the pictures."""
    model = tiny_model()
    settings = dict(rank=3, alpha=3, targets=("attention", "mlp"), soft_tokens=4, seed=0) | options
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in attach_adapter(model, tune, **settings):
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return save_adapter(model, folder)


def pictures(path=None) -> Tensor:
    model = tiny_model()
    if path is not None:
        load_adapter(model, path)
    return paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE)


def by_stock(load) -> np.ndarray:
    """[n, h, w, 3] in [0, 1] by a stock pipeline, after load(pipeline)."""
    stock = tiny_pipeline()
    load(stock)
    return stock([PROMPT] * len(NUMBERS), latents=draw_noise(PROMPT, NUMBERS, 0, (4, 8, 8)), num_inference_steps=STEPS,
                 guidance_scale=GUIDANCE, output_type="np").images


def as_stock(images: Tensor) -> np.ndarray:
    return (images / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


@EVERY_LORA
def test_published_lora_paints_the_same(tmp_path, tune):
    own = trained(tune, tmp_path / "own")
    expected = pictures(own)
    assert (expected - pictures()).abs().max() > 0.02
    sources = save_published(own, tmp_path)
    adapter = convert(sources, tmp_path / "converted.safetensors")
    assert {part.rank for part in adapter.lora.values()} == {3} and len(sources) == len(adapter.lora)
    assert torch.equal(pictures(tmp_path / "converted.safetensors"), expected)
    assert {p.name for p in tmp_path.iterdir()} == {*(p.name for p in sources), "converted.safetensors", "own"}


def test_files_of_the_diffusers_of_that_time_are_read_too(tmp_path):
    """The same names behind the network's, both networks in one file."""
    own = trained("both", tmp_path / "own")
    save_file({("unet." if ".processor." in name else "text_encoder.") + name: value
               for name, value in published_names(load_file(own)).items()}, tmp_path / "old.safetensors")
    convert([tmp_path / "old.safetensors"], tmp_path / "converted.safetensors")
    assert torch.equal(pictures(tmp_path / "converted.safetensors"), pictures(own))


def test_published_lora_counts_as_in_the_papers_code(tmp_path):
    """There a layer gives W x + up(down(x)): merged into the weights by hand."""
    tensors = published_names(load_file(trained("text_encoder", tmp_path)))
    torch.save(tensors, tmp_path / "text_encoder_lora.pth")
    convert([tmp_path / "text_encoder_lora.pth"], tmp_path / "converted.safetensors")
    model, by_hand = tiny_model(), tiny_model()
    load_adapter(model, tmp_path / "converted.safetensors")
    with torch.no_grad():
        for name in (n for n in tensors if n.endswith("down.weight")):
            layer = by_hand.text_encoder.get_submodule(name.removeprefix("text_model.").partition(".lora_")[0])
            layer.weight += tensors[name.replace("down", "up")] @ tensors[name]
        ids = torch.tensor([[5, 40, 60]])
        torch.testing.assert_close(model.text_encoder(ids)[0], by_hand.text_encoder(ids)[0], atol=1e-4, rtol=1e-4)


def test_a_published_prefix_becomes_soft_tokens(tmp_path):
    """A row for every token, behind the one that stands for all other words."""
    embeddings = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0))
    adapter = convert([save_published_prefix(embeddings, tmp_path)], tmp_path / "tokens.safetensors")
    assert torch.equal(adapter.tokens, embeddings) and adapter.lora == {}
    model = tiny_model()
    load_adapter(model, tmp_path / "tokens.safetensors")
    assert torch.equal(model.text_encoder.soft_tokens.embeddings, embeddings)
    assert (paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE) - pictures()).abs().max() > 0.02


@EVERY_LORA
@pytest.mark.parametrize("alpha", [3, 8])
def test_kohyas_format_and_back_paints_the_same(tmp_path, tune, alpha):
    own = trained(tune, tmp_path, alpha=alpha)
    expected = pictures(own)
    convert([own], tmp_path / "kohya.safetensors", "kohya")
    names = set(load_file(tmp_path / "kohya.safetensors"))
    assert {n.split("_")[1] for n in names} == {"te", "unet"} & {"both": {"te", "unet"}}.get(
        tune, {"te" if tune == "text_encoder" else tune})
    assert len(names) == 3 * len({n.partition(".")[0] for n in names})  # down, up, alpha
    convert([tmp_path / "kohya.safetensors"], tmp_path / "back.safetensors")
    assert torch.equal(pictures(tmp_path / "back.safetensors"), expected)
    found = by_stock(lambda stock: stock.load_lora_weights(tmp_path, weight_name="kohya.safetensors"))
    assert np.abs(found - as_stock(expected)).max() < 1e-3


@pytest.mark.parametrize("alpha", [1.0, 6.0])
def test_an_alpha_of_kohyas_counts(tmp_path, alpha):
    """As a stock pipeline counts it, and as far as the rank divides it."""
    own = trained("both", tmp_path)
    convert([own], tmp_path / "kohya.safetensors", "kohya")
    tensors = load_file(tmp_path / "kohya.safetensors")
    assert {float(v) for n, v in tensors.items() if n.endswith(".alpha")} == {3.0}
    save_file({n: torch.tensor(alpha) if n.endswith(".alpha") else v for n, v in tensors.items()},
              tmp_path / "other.safetensors")
    convert([tmp_path / "other.safetensors"], tmp_path / "converted.safetensors")
    found = by_stock(lambda stock: stock.load_lora_weights(tmp_path, weight_name="other.safetensors"))
    assert np.abs(found - as_stock(pictures(tmp_path / "converted.safetensors"))).max() < 1e-3
    model = tiny_model()
    merge_adapter(model, own, alpha / 3)
    torch.testing.assert_close(paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE),
                               pictures(tmp_path / "converted.safetensors"), atol=2e-3, rtol=1e-2)


def test_kohyas_other_layers_are_read(tmp_path):
    """Feed-forward and 1 x 1 convolutions, as its scripts train by default; in .pt, as the older ones saved."""
    generator, model = torch.Generator().manual_seed(0), tiny_model()
    tensors = {}
    for layer in ("down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj", "mid_block.attentions.0.proj_in"):
        weight = model.unet.get_submodule(layer).weight
        down = torch.randn(2, *weight.shape[1:], generator=generator)
        up = torch.randn(len(weight), 2, *[1] * (weight.ndim - 2), generator=generator)
        name = f"lora_unet_{layer.replace('.', '_')}"
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(1.0)}
        weight.data += 0.5 * (up.flatten(1) @ down.flatten(1)).view(weight.shape)
    torch.save(tensors, tmp_path / "kohya.pt")
    convert([tmp_path / "kohya.pt"], tmp_path / "converted.safetensors")
    expected = paint(model, PROMPT, NUMBERS, 0, STEPS, GUIDANCE)
    assert (expected - pictures()).abs().max() > 0.02
    torch.testing.assert_close(pictures(tmp_path / "converted.safetensors"), expected, atol=1e-3, rtol=1e-3)


def test_sdxls_original_names_are_translated(tmp_path):
    """input_blocks 4 is the first transformer of diffusers' second down block."""
    name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    second = "lora_te2_text_model_encoder_layers_3_self_attn_q_proj"
    halves = {"lora_down.weight": torch.ones(2, 8), "lora_up.weight": torch.ones(8, 2)}
    tensors = {f"{layer}.{half}": value.clone() for layer in (name, second) for half, value in halves.items()}
    save_file(tensors, tmp_path / "x.safetensors")
    adapter = convert([tmp_path / "x.safetensors"], tmp_path / "converted.safetensors")
    assert set(adapter.lora["unet"].tensors) == {
        f"down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_{half}.weight" for half in "AB"}
    assert set(adapter.lora) == {"unet", "text_encoder_2"}
    convert([tmp_path / "converted.safetensors"], tmp_path / "again.safetensors", "kohya")
    assert any(n.startswith(second) for n in load_file(tmp_path / "again.safetensors"))


@pytest.fixture
def published(tmp_path):
    (path,) = save_published(trained("text_encoder", tmp_path / "own"), tmp_path)
    return path


@pytest.mark.parametrize(("damage", "says"), [
    (lambda p: p.write_bytes(p.read_bytes()[:-200]), "cut short|not a whole"),
    (lambda p: p.write_bytes(p.read_bytes()[:50]), "cut short|not a whole"),
    (lambda p: p.write_bytes(b""), "cut short|not a whole"),
    (lambda p: p.unlink(), "no file text_encoder_lora_EMA.pth"),
    (lambda p: torch.save([torch.ones(1)], p), "something else than named tensors"),
    (lambda p: torch.save({"a": 1}, p), "something else than named tensors"),
    (lambda p: torch.save({}, p), "something else than named tensors"),
])
def test_a_damaged_state_dict_says_so(published, tmp_path, damage, says):
    damage(published)
    with pytest.raises(TensorFileError, match=says):
        convert([published], tmp_path / "converted.safetensors")
    assert not (tmp_path / "converted.safetensors").exists()


@pytest.mark.parametrize(("change", "says"), [
    (lambda t: {"weight": torch.ones(2, 2), "bias": torch.ones(2)}, "neither LoRA in diffusers' names nor soft tokens"),
    (lambda t: t | {"text_model.more": torch.ones(1)}, "neither LoRA"),
    (lambda t: {n: v * float("inf") for n, v in t.items()}, "not finite numbers"),
    (lambda t: {n: v[:1] if "fc1" in n and "down" in n else v for n, v in t.items()}, "one rank"),
    (lambda t: {"token_embedding.weight": torch.ones(1, 4), "position_embedding.weight": torch.ones(1)}, "no tokens"),
    (lambda t: {"lora_te_a.lora_down.weight": torch.ones(2, 2)}, "lacks one of its two matrices"),
    (lambda t: {f"lora_te_a.lora_{half}.weight": torch.ones(0, 0) for half in ("down", "up")}, "no rank"),
    (lambda t: {f"lora_te_a.lora_{half}.weight": torch.tensor(1.0) for half in ("down", "up")}, "no rank"),
    (lambda t: {f"lora_te_a.{n}": torch.ones(2, 2) for n in ("lora_down.weight", "lora_up.weight", "alpha")}, "alpha"),
    (lambda t: {"lora_unet_a.hada_w1_a": torch.ones(2, 2)}, "hada_w1_a is no part of plain LoRA"),
    (lambda t: {"lora_unet_a.lora_down.weight": torch.ones(2, 2), "lora_unet_a.lora_up.weight": torch.ones(2, 2),
                "lora_unet_a.dora_scale": torch.ones(2)}, "dora_scale is no part of plain LoRA"),
])
def test_foreign_contents_are_refused(published, tmp_path, change, says):
    torch.save(change(torch.load(published, weights_only=True)), published)
    with pytest.raises(AdapterError, match=says) as raised:
        convert([published], tmp_path / "converted.safetensors")
    assert published.name in str(raised.value) and not (tmp_path / "converted.safetensors").exists()


def test_a_pickle_is_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    torch.save({"text_model.lora": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap(), protocol=2))
    for name in ("trap.pth", "plain.pt"):
        with pytest.raises(TensorFileError, match="more than tensors"):
            convert([tmp_path / name], tmp_path / "converted.safetensors")
    assert not (tmp_path / "sprung").exists()


def test_what_cannot_be_written_is_refused(published, tmp_path):
    own = tmp_path / "own" / "pytorch_lora_weights.safetensors"
    with pytest.raises(AdapterError, match="name a new file"):
        convert([published], tmp_path / "converted.pth")
    with pytest.raises(AdapterError, match="name a new file"):
        convert([published], own)
    with pytest.raises(AdapterError, match="holds what another file holds already"):
        convert([published, own], tmp_path / "converted.safetensors")
    tokens = save_published_prefix(torch.ones(2, WIDTH), tmp_path)
    with pytest.raises(AdapterError, match="soft tokens: convert it alone"):
        convert([published, tokens], tmp_path / "converted.safetensors")
    with pytest.raises(AdapterError, match="no form in kohya's names"):
        convert([tokens], tmp_path / "converted.safetensors", "kohya")
    assert not (tmp_path / "converted.safetensors").exists()
