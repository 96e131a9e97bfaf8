"""Every adapter says which model it is for; another kind of model refuses it, another model of the kind tells so."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.fakes import tiny_model, tiny_pipeline
from helpers.small_pipelines import SCHEDULERS, WIDTH, loaded, saved, small_pipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fairness_core.adapters.attach import attach_adapter, load_adapter, save_adapter
from fairness_core.adapters.base_model import BaseModel, architecture_of, base_of, from_header, to_header
from fairness_core.adapters.conversion import convert
from fairness_core.adapters.files import AdapterError, adapter_notice, read_adapter
from fairness_core.models.loading import Model
from fairness_core.models.registry import entry_for
from fairness_core.settings.attributes import ASSETS

PUBLISHED = {"sd15": ("stable-diffusion-v1", 768), "sd21": ("stable-diffusion-v2-768-v", 1024),
             "turbo": ("stable-diffusion-v2-512", 1024), "sdxl": ("stable-diffusion-xl-v1-base", 2048)}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Model]:
    return {kind: loaded(saved(kind, tmp_path_factory.mktemp(kind) / f"my-{kind}")) for kind in ("sd15", "sdxl")}


def adapter(model: Model, tune: str, folder: Path) -> Path:
    attach_adapter(model, tune, rank=2, alpha=2, targets=("attention",), soft_tokens=2, seed=0)
    return save_adapter(model, folder)


def header(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return file.metadata()


def without_header(path: Path) -> Path:
    save_file(load_file(path), path)
    return path


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_published_models_have_the_names_that_other_programs_know(kind):
    architecture, width = PUBLISHED[kind]
    pipeline = small_pipeline(kind, SCHEDULERS[kind])
    pipeline.unet.register_to_config(cross_attention_dim=width)
    base = replace(base_of(pipeline), name="owner/name")
    assert base.architecture == architecture and from_header(to_header(base, "lora"), {}) == base
    told = to_header(base, "lora")
    assert told["modelspec.architecture"] == f"{architecture}/lora" and told["format"] == "pt"
    assert from_header({"ss_base_model_version": told["ss_base_model_version"]}, {}).architecture == architecture


@pytest.mark.parametrize("tune", ["text_encoder", "both", "tokens"])
def test_a_file_says_what_it_is_for(models, tune, tmp_path):
    told = header(adapter(models["sd15"], tune, tmp_path))
    assert told["ss_sd_model_name"] == "my-sd15", "a folder's name, not where it lies"
    kind = "textual-inversion" if tune == "tokens" else "lora"
    assert told["modelspec.architecture"] == f"stable-diffusion-of-width-{WIDTH}/{kind}"
    assert str(tmp_path.parent) not in json.dumps(told)
    if tune == "both":
        settings = json.loads(told["lora_adapter_metadata"])
        assert settings["unet.r"] == settings["text_encoder.lora_alpha"] == 2
        assert settings["unet.target_modules"] == ["to_k", "to_out.0", "to_q", "to_v"]


def test_the_hubs_id_is_the_name_where_there_is_one():
    assert base_of(replace(tiny_model(), entry=entry_for("sd15"))).name == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert base_of(replace(tiny_model(), entry=entry_for("mini"))).name == "mini"
    assert base_of(tiny_pipeline()).name == ""


def test_equal_adapters_are_equal_bytes(models, tmp_path):
    files = {adapter(models["sd15"], "both", tmp_path / str(i)).read_bytes() for i in range(6)}
    assert len(files) == 1


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("tune", ["text_encoder", "tokens"])
def test_sdxl_takes_nothing_of_a_model_with_one_encoder(models, tune, known, tmp_path):
    """Its first text encoder is as wide as Stable Diffusion 1.5's: the layers fit, and the tokens would do nothing."""
    path = adapter(models["sd15"], tune, tmp_path)
    if not known:
        without_header(path)
    says = "was made for another model|holds soft tokens, and this model has two"
    with pytest.raises(AdapterError, match=f"{path.name} ({says})"):
        load_adapter(models["sdxl"], path)
    load_adapter(models["sd15"], path)


@pytest.mark.parametrize("known", [True, False])
def test_sdxls_own_fit_it_and_no_other(models, known, tmp_path):
    path = adapter(models["sdxl"], "text_encoder", tmp_path)
    if not known:
        without_header(path)
    load_adapter(models["sdxl"], path)
    with pytest.raises(AdapterError, match="was made for another model"):
        load_adapter(models["sd15"], path)


def test_the_first_encoders_part_of_sdxls_is_taken_where_it_says_so(models, tmp_path):
    path = adapter(models["sdxl"], "text_encoder", tmp_path)
    first = {name: value for name, value in load_file(path).items() if name.startswith("text_encoder.")}
    save_file(first, path, {"modelspec.architecture": header(path)["modelspec.architecture"]})
    load_adapter(models["sdxl"], path)
    save_file(first, path, {"modelspec.architecture": "flux-1-dev/lora"})
    with pytest.raises(AdapterError, match="another model: for FLUX.1, and this one is stable diffusion of width"):
        load_adapter(models["sdxl"], path)


def test_another_model_of_the_kind_takes_it_and_tells(models, tmp_path):
    path, model = adapter(models["sd15"], "text_encoder", tmp_path), models["sd15"]
    assert adapter_notice(path, model.entry) == ""
    other = replace(model, entry=entry_for("sd14"))
    load_adapter(other, path)
    assert adapter_notice(path, other.entry) == (
        f"{path.name} was made for my-sd15, and this model is CompVis/stable-diffusion-v1-4. It is used all the same, since "
        "both are of one kind; it may do less here, or something else.")
    assert adapter_notice(without_header(path), other.entry) == ""


def test_the_name_in_diffusers_settings_is_read():
    settings = {"unet.base_model_name_or_path": "owner/name", "unet.r": 4}
    assert from_header({}, settings) == BaseModel("", "owner/name")


def test_conversions_keep_what_is_known(models, tmp_path):
    path = adapter(models["sd15"], "both", tmp_path / "own")
    convert([path], tmp_path / "kohya.safetensors", "kohya")
    convert([tmp_path / "kohya.safetensors"], tmp_path / "back.safetensors")
    known = base_of(models["sd15"])
    assert read_adapter(tmp_path / "back.safetensors").base == read_adapter(path).base == known
    assert header(tmp_path / "kohya.safetensors")["modelspec.architecture"] == f"{known.architecture}/lora"


def test_halves_for_two_kinds_of_model_are_not_joined(models, tmp_path):
    path = adapter(models["sd15"], "both", tmp_path)
    halves = [tmp_path / "text_encoder.safetensors", tmp_path / "unet.safetensors"]
    for half, architecture in zip(halves, ("stable-diffusion-v1", "stable-diffusion-v2-512"), strict=True):
        own = {name: value for name, value in load_file(path).items() if name.startswith(f"{half.stem}.")}
        save_file(own, half, {"modelspec.architecture": f"{architecture}/lora"})
    with pytest.raises(AdapterError, match="for Stable Diffusion 2.x, and the other file for Stable Diffusion 1.x"):
        convert(halves, tmp_path / "converted.safetensors")


@pytest.mark.parametrize("recorded", sorted((ASSETS / "recorded").glob("*/adapter/*.safetensors")),
                         ids=lambda path: path.parts[-3])
def test_recorded_runs_say_nothing_and_are_read(recorded):
    assert adapter_notice(recorded, entry_for("mini")) == ""


def test_a_pipelines_own_kind_is_told_by_its_parts():
    assert architecture_of(tiny_pipeline()) == architecture_of(tiny_model()) == "stable-diffusion-of-width-16"
    torch.manual_seed(0)
    assert architecture_of(small_pipeline("sdxl")).endswith("-by-two")
