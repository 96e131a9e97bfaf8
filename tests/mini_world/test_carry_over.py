"""What the text encoder foretells before and after finetuning, and the stand-in that settings are chosen by."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fairness_core.adapters.attach import detach_adapter, save_adapter
from fairness_core.adapters.files import AdapterError
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import ConfigError
from fairness_core.settings.presets import FOLDER, load_preset
from fairness_core.settings.prompts import prompt_for
from mini_world.measure import carry_over
from mini_world.measure.carry_over import Measured, kept, slope_of_line, unlearned
from mini_world.measure.foretold import (FINETUNED, HELD_OUT, NEW, NEW_FINETUNED, attach_text_adapter, foretold,
                                         load_text_model, named_groups, named_in, prompt_groups)
from mini_world.measure.stand_in import Weights, chosen_config, drawn_shares, step_loss, train

SHORT = load_preset(FOLDER / "mini-short.yaml").config


@pytest.fixture
def text_model():
    return load_text_model()


def test_the_slope_is_that_of_the_line_and_the_mean_is_told_apart():
    before = np.array([[1.0, -1.0], [-2.0, 2.0], [0.5, -0.5], [-1.5, 1.5]])
    after = 0.3 * before + np.array([0.4, -0.4])
    assert slope_of_line(before, after) == pytest.approx(.3)
    figures = unlearned(before, after, np.array([.5, .5]))
    assert figures["n"] == 4 and figures["interval"] == pytest.approx([.3, .3])
    assert figures["log_odds"] == [-1.0, pytest.approx(2 * (0.3 * -.5 + .4))]
    assert figures["distance"][1] < figures["distance"][0]


def test_what_is_kept_counts_only_the_classes_that_a_prompt_names():
    before = {"gender": torch.tensor([[2.0, -2.0], [0.1, -0.1]]), "race": torch.zeros(2, 4),
              "age": torch.tensor([[0.3, -0.3], [-1.0, 1.0]])}
    after = {"gender": torch.tensor([[1.0, -1.0], [9.0, -9.0]]), "race": torch.ones(2, 4),
             "age": torch.tensor([[5.0, -5.0], [-0.5, 0.5]])}
    assert kept(before, after, [{"gender": "female"}, {"age": "old"}])["slope"] == pytest.approx(.5)


def test_prompts_are_grouped_by_what_finetuning_knew_of_them():
    chef, nurse, actor, dentist = map(prompt_for, ("chef", "nurse", "actor", "dentist"))
    groups = prompt_groups([chef, prompt_for("pilot"), actor, dentist])
    assert chef in groups[FINETUNED] and nurse in groups[HELD_OUT] and len(groups[HELD_OUT]) == 42
    assert groups[NEW_FINETUNED] == [actor, dentist] and actor not in groups[NEW] and len(groups[NEW]) > 200
    assert NEW_FINETUNED not in prompt_groups([chef])


@pytest.mark.parametrize("prompt, named", [
    ("a photo of the face of an old Asian woman, a person", {"gender": "female", "race": "asian", "age": "old"}),
    ("a male florist", {"gender": "male"}), ("a photo of the face of a manager, a person", {})])
def test_words_that_name_who_is_shown_are_found(prompt, named):
    assert named_in(prompt) == named
    assert all(of for group in named_groups().values() for of in group.values())


def test_the_text_encoder_foretells_who_is_named(text_model):
    told = foretold(text_model, ["a photo of the face of a female nurse, a person",
                                 "a photo of the face of an old Black judge, a person"])
    assert told["gender"][0].argmax() == 0 and told["race"][1].argmax() == 2 and told["age"][1].argmax() == 1
    assert told["race"].sum(1).abs().max() < 1e-4


def test_the_recorded_run_has_unlearned_and_kept(text_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["carry_over", "--run", str(ASSETS / "recorded" / "mini-short"), "--out", str(tmp_path)])
    monkeypatch.setattr(carry_over, "bootstrap_interval", lambda values, statistic: (0.0, 1.0))
    carry_over.main()
    figures = json.loads((tmp_path / "carry_over.json").read_text(encoding="utf-8"))
    gender = figures["unlearned"]["gender"]
    assert (gender[FINETUNED]["n"], gender[HELD_OUT]["n"]) == (32, 12)
    assert gender[FINETUNED]["slope"] < gender[HELD_OUT]["slope"] < .8
    assert min(entry["slope"] for entry in figures["kept"].values()) > .4
    assert (tmp_path / "carry_over.md").read_text(encoding="utf-8").strip() == capsys.readouterr().out.strip()


def test_runs_and_adapters_that_say_nothing_are_refused_in_plain_words(text_model, tmp_path, monkeypatch, capsys):
    (tmp_path / "config.yaml").write_text("model: sd15\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["carry_over", "--run", str(tmp_path)])
    with pytest.raises(SystemExit):
        carry_over.main()
    assert "only the built-in model" in capsys.readouterr().err
    monkeypatch.setattr("mini_world.measure.foretold.read_adapter",
                        lambda path: SimpleNamespace(lora={"unet": None}, tokens=None))
    with pytest.raises(AdapterError, match="U-Net alone"):
        attach_text_adapter(text_model, tmp_path / "unet.safetensors")


def test_shares_are_drawn_by_what_is_told():
    numbers = torch.rand(20000, 2, generator=torch.Generator().manual_seed(0))
    told = torch.tensor([0.5, -0.5])
    assert torch.allclose(drawn_shares(told, numbers), told.softmax(0), atol=.02)


def test_the_stand_in_unlearns_and_what_it_saves_says_the_same(text_model, tmp_path):
    config = replace(SHORT, steps=12, images_per_prompt=32, losses=replace(SHORT.losses, semantics=0.0))
    measured = Measured(config.prompts)
    before = measured(text_model)
    train(text_model, config, Weights(noise=0.0))
    after = measured(text_model)
    distance = lambda told: told[FINETUNED]["gender"].abs().mean()
    assert distance(after) < .6 * distance(before)
    path = save_adapter(text_model, tmp_path)
    detach_adapter(text_model)
    assert torch.equal(measured(text_model)[FINETUNED]["gender"], before[FINETUNED]["gender"])
    attach_text_adapter(text_model, path)
    assert torch.allclose(measured(text_model)[FINETUNED]["gender"], after[FINETUNED]["gender"], atol=1e-4)


def test_only_what_is_asked_moves_the_stand_in(text_model):
    """Where the prompts show what is wanted, no loss is left but the noise; a kept prompt asks for its own classes."""
    config = replace(SHORT, prompts=SHORT.prompts[:2], prompts_per_step=2, images_per_prompt=1024)
    told = {p: {k: v[0] for k, v in foretold(text_model, [p]).items()} for p in (*config.prompts, *config.kept_prompts)}
    weight = text_model.text_encoder.get_input_embeddings().weight.requires_grad_()

    def gradient(config, noise):
        loss = step_loss(text_model, config, 0, told, Weights(noise=noise), torch.Generator().manual_seed(0))
        return torch.autograd.grad(loss, weight)[0].norm().item()

    female = torch.stack([told[p]["gender"].softmax(0)[0] for p in config.prompts]).mean().item()
    as_it_is = replace(config, prompts=config.prompts[:1], prompts_per_step=1, marginals={
        "gender": dict(zip(("female", "male"), told[config.prompts[0]]["gender"].softmax(0).tolist()))})
    assert gradient(as_it_is, 0.0) < .2 * gradient(replace(as_it_is, marginals={
        "gender": {"female": float(female < .5), "male": float(female >= .5)}}), 0.0)
    assert gradient(as_it_is, 30.0) > gradient(as_it_is, 0.0)


def test_settings_of_the_stand_in_are_the_presets_with_changes():
    args = SimpleNamespace(preset="mini-short", more=[["sd15.yaml", "occupations"]], every=3,
                           set=["steps=160", "learning_rate=0.001"])
    config = chosen_config(args)
    assert (config.steps, config.learning_rate) == (160, 0.001) and len(config.prompts) > 100
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        chosen_config(SimpleNamespace(preset="mini-short", more=[], every=1, set=["steps"]))
    with pytest.raises(ConfigError, match="'text_encoder' or 'tokens'"):
        train(None, replace(SHORT, tune="unet"), Weights())
