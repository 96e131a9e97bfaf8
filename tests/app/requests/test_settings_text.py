"""Settings survive a file, a link and the page."""

from dataclasses import replace

import pytest
from helpers.fake_engine import fake_engine, fake_presets

from app.engine import fairness_engine
from app.requests import settings
from app.requests.page_values import page_values
from app.requests.settings_text import InputError, as_token, as_yaml, from_token, parsed
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.presets import load_presets
from fairness_core.settings.prompts import prompt_for

CONFIG = fake_presets()[0].config
GENDER = {"gender": {"female": .25, "male": .75}}
DEPENDENT = [[.4, .0], [.0, .3], [.2, .0], [.0, .1]]
CONFIGS = [
    replace(CONFIG, prompts=(prompt_for("judge"), "a barista, “Zoë”", prompt_for("chef")), marginals=GENDER,
            seed=7, weight_decay=.5),
    replace(CONFIG, prompts=("x",), marginals=GENDER | {"age": {"young": .333, "old": .667}}, learning_rate=1e-4),
    replace(CONFIG, prompts=("x",), joint=DEPENDENT, joint_attributes=("race", "gender")),
    replace(CONFIG, prompts=("x",), joint_attributes=("race", "gender", "age"),
            joint=[[[.75 * c, .25 * c] for c in row] for row in DEPENDENT]),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_text_and_token_keep_everything(config):
    assert parsed(as_yaml(config)) == config
    assert from_token(as_token(config)) == config
    assert set(as_token(config)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("config", [*CONFIGS, *(p.config for p in load_presets() if p.config.model == "mini")])
def test_the_page_shows_settings_and_starts_with_the_same(config):
    values = page_values(config, fake_engine())
    values = {name: value["value"] if isinstance(value, dict) and "value" in value else value
              for name, value in values.items()}
    values |= {"length": "mini-short", "filled_for": "mini-short", "compare_images": 4, "compare_trained": 1,
               "compare_held_out": 1, "joint:pair": values.get("joint:pair")}
    started = settings.finetune_request(values, FinetuneConfig()).config
    assert replace(started, film_prompts=()) == config, "what is watched is not learned from"


def test_a_target_changed_on_the_page_counts():
    values = page_values(CONFIGS[0], fake_engine()) | {
        "length": "mini-short", "filled_for": "mini-short", "compare_images": 4, "compare_trained": 1,
        "compare_held_out": 1, "gender:female": 30, "gender:male": 70, "joint:on": False}
    started = settings.finetune_request(values, FinetuneConfig()).config
    assert started.marginals == {"gender": {"female": .3, "male": .7}}
    assert started.weight_decay == .5, "settings without a field come from the file"


def test_labour_statistics_give_each_prompt_its_own_target():
    labour = replace(CONFIG, prompts=(prompt_for("nurse"), prompt_for("pilot")), marginals=GENDER)
    values = page_values(labour, fake_engine()) | {
        "length": "mini-short", "filled_for": "mini-short", "compare_images": 4, "compare_trained": 1,
        "compare_held_out": 4, "target_preset": "Labour statistics"}
    config = settings.finetune_request(values, CONFIG).config
    assert config.targets_by_prompt[prompt_for("nurse")]["gender"]["female"] > .8
    assert config.targets_by_prompt[prompt_for("pilot")]["gender"]["female"] < .2
    assert config.targets_by_prompt[prompt_for("construction worker")]["gender"]["female"] < .1, "compared, not finetuned on"
    again = page_values(config, fake_engine())
    assert "3 prompts have a target of their own" in again["preset_note"]
    with pytest.raises(ValueError, match="no statistics"):
        settings.finetune_request(values | {"free_text": "a wizard"}, CONFIG)


def test_three_tied_attributes_are_refused_in_words():
    tied = [[[.5, 0], [0, 0]], [[0, 0], [0, .5]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    config = replace(CONFIG, prompts=("x",), joint=tied, joint_attributes=("race", "gender", "age"))
    with pytest.raises(InputError, match="three attributes"):
        page_values(config, fake_engine())


@pytest.mark.parametrize("text", ["", "[1, 2", "- a\n- b", "colour: blue", "steps: many", "marginals: 3",
                                  "marginals: {gender: {female: 1, male: 1}}", "marginals: {mood: {good: 1}}",
                                  "steps: 1e999\nlosses: 4", "\x00", "a: &a [*a]", "x" * 300_000])
def test_foreign_text_is_refused_in_words(text):
    with pytest.raises(InputError, match="These are no settings"):
        parsed(text)


@pytest.mark.parametrize("token", ["x", "AAAA", "é", as_token(CONFIGS[0])[:-9], "=" * 50])
def test_damaged_links_are_refused_in_words(token):
    with pytest.raises(InputError):
        from_token(token)


def test_any_stable_diffusion_by_its_folder_on_ones_own_machine(tmp_path):
    engine = fairness_engine()
    assert settings.usable_model(f" {ASSETS / 'mini'} ", engine) == str(ASSETS / "mini")
    with pytest.raises(ValueError, match="holds no model_index.json"):
        settings.usable_model(str(tmp_path), engine)
    shared = replace(engine, find_model=None)
    assert settings.usable_model("mini", shared) == "mini"
    with pytest.raises(InputError, match="Unknown model"):
        settings.usable_model(str(ASSETS / "mini"), shared)
