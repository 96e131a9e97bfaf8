"""Presets are files: each of the shipped ones can be used as it is, and a broken one says why."""

import pytest
import yaml

from fairness_core.models.loading import ModelEntry
from fairness_core.models.registry import usable_presets
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import ConfigError, FinetuneConfig
from fairness_core.settings.presets import load_preset, load_presets
from fairness_core.settings.prompts import is_held_out, load_concepts, prompt_for

SHIPPED = sorted((ASSETS / "presets").glob("*.yaml"))
PRESET = {"label": "Short", "description": "A look.", "measured_seconds_per_step": 4,
          "config": {"steps": 10, "prompts": ["a nurse"], "marginals": {"gender": {"female": 0.5, "male": 0.5}}}}


def write(folder, name: str, data: object):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_a_preset_is_named_after_its_file(tmp_path):
    preset = load_preset(write(tmp_path, "short", PRESET))
    assert (preset.name, preset.label, preset.description) == ("short", "Short", "A look.")
    assert (preset.kind, preset.seconds_per_step) == ("length", 4.0)
    assert preset.config == FinetuneConfig(steps=10, prompts=("a nurse",), marginals=PRESET["config"]["marginals"])


def test_presets_come_shortest_first(tmp_path):
    write(tmp_path, "a", PRESET | {"config": {"steps": 100}})
    write(tmp_path, "b", PRESET)
    write(tmp_path, "c", PRESET | {"measured_seconds_per_step": 1.0, "config": {"steps": 20}})
    write(tmp_path, "0", {k: v for k, v in PRESET.items() if k != "measured_seconds_per_step"} | {"kind": "experiment"})
    (tmp_path / "notes.txt").write_text("not a preset", encoding="utf-8")
    assert [p.name for p in load_presets(tmp_path)] == ["c", "b", "a", "0"]
    assert load_presets(tmp_path / "absent") == []


@pytest.mark.parametrize(("data", "says"), [
    (PRESET | {"config": {"stepps": 1}}, "Unknown setting 'stepps'"), (PRESET | {"config": {"steps": 0}}, "steps is 0"),
    ({k: v for k, v in PRESET.items() if k != "label"}, "short.yaml lacks 'label'"), (None, "lacks 'label'"),
    (PRESET | {"config": None}, "Settings must be"),
    (PRESET | {"kind": "quick"}, "kind 'quick': choose length or experiment"),
    (PRESET | {"measured_seconds_per_step": None}, "a length is offered with its time"),
    (PRESET | {"prompts": []}, "unknown part 'prompts'"), (PRESET | {3: 4}, "unknown part 3"),
    (5, "not 5"), (["label", "description", "config"], "not ..label"), (PRESET | {"config": 5}, "Settings must be"),
    (PRESET | {"label": 5}, "label is 5: it must be text"), (PRESET | {"kind": ["length"]}, "kind"),
    (PRESET | {"measured_seconds_per_step": "long"}, "seconds_per_step is 'long': it must be a number"),
    (PRESET | {"measured_seconds_per_step": -1}, "must be above 0"),
    (PRESET | {"concepts": {"file": 5, "groups": []}}, "concepts: write {file:"),
    (PRESET | {"concepts": {"file": "concepts.yaml", "groups": "sports"}}, "concepts: write {file:"),
    (PRESET | {"concepts": {"file": "concepts.yaml", "groups": [["sports"]]}}, "no group"),
    (PRESET | {"concepts": ["occupations"]}, "concepts: write {file:"), (PRESET | {"kept": ["a man"]}, "kept: write {file:"),
    (PRESET | {"concepts": {"file": "none.yaml", "groups": []}}, "no none.yaml in assets/prompts"),
    (PRESET | {"concepts": {"file": "../../models.yaml", "groups": []}}, "no models.yaml in assets/prompts"),
    (PRESET | {"concepts": {"file": "concepts.yaml", "groups": ["birds"]}}, "no group 'birds': choose among occ")])
def test_a_broken_preset_says_why(tmp_path, data, says):
    with pytest.raises(ConfigError, match=says):
        load_preset(write(tmp_path, "short", data))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_preset_can_be_used_as_it_is(path):
    preset = load_preset(path)
    assert preset.label and preset.description and preset.config.prompts
    assert not any(is_held_out(prompt) for prompt in preset.config.prompts)  # or nothing measures what carries over
    preset.config.target()


def test_concepts_may_come_of_several_files(tmp_path):
    files = [{"file": "concepts.yaml", "groups": ["sports"]}, {"file": "wide.yaml", "groups": ["other occupations"]}]
    prompts = load_preset(write(tmp_path, "p", PRESET | {"concepts": files})).config.prompts
    assert prompts[0] == prompt_for(load_concepts().groups["sports"].train[0]) and prompt_for("welder") in prompts


def test_no_occupation_of_the_wide_list_begins_like_a_word_that_is_held_out():
    """Or what carries over would be measured on words that were finetuned on."""
    begins = {word[:5] for concept in load_concepts().held_out for word in concept.split()}
    wide = load_concepts(ASSETS / "prompts" / "wide.yaml").train
    assert len(wide) > 200 and not [c for c in wide if begins & {word[:5] for word in c.split()}]
    assert not set(wide) & set(load_concepts().train)


def test_concepts_become_prompts_before_those_written_out(tmp_path):
    preset = load_preset(write(tmp_path, "p", PRESET | {"concepts": {"file": "concepts.yaml", "groups": ["sports"]}}))
    assert preset.config.prompts == (*map(prompt_for, load_concepts().groups["sports"].train), "a nurse")


def test_kept_prompts_can_come_from_a_file(tmp_path):
    preset = load_preset(write(tmp_path, "p", PRESET | {"kept": {"file": "kept.yaml", "groups": ["named people"]}}))
    assert prompt_for("young man") in preset.config.kept_prompts and preset.config.prompts == ("a nurse",)


def test_only_presets_of_usable_models_and_of_the_kind_asked_for_are_offered(tmp_path):
    write(tmp_path, "here", PRESET)
    write(tmp_path, "elsewhere", PRESET | {"config": PRESET["config"] | {"model": "sd15"}})
    write(tmp_path, "unknown", PRESET | {"config": PRESET["config"] | {"model": "gone"}})
    write(tmp_path, "experiment", PRESET | {"kind": "experiment"})
    models = [ModelEntry("mini", "Mini", "", "mini", 10, 4.0),
              ModelEntry("sd15", "SD 1.5", "", "sd15", 20, 7.5, unavailable="not here")]
    assert [p.name for p in usable_presets(models, "length", tmp_path)] == ["here"]
    assert [p.name for p in usable_presets(models, "experiment", tmp_path)] == ["experiment"]


PUBLISHED = {  # images a prompt, lambda_img, lambda_face, attributes
    "sd15-gender": (24, 8, 1, ("gender",)), "sd15-gender-tokens": (24, 8, 1, ("gender",)),
    "sd15-race": (32, 6, 0.1, ("race",)),
    "sd15-gender-race": (32, 8, 0.1, ("gender", "race")), "sd15-multi-concept": (32, 8, 0.1, ("gender", "race")),
    "sd15-gender-race-age": (40, 8, 0.1, ("gender", "race", "age"))}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_experiments_have_the_published_settings(name):
    preset = load_preset(ASSETS / "presets" / f"{name}.yaml")
    config, losses = preset.config, preset.config.losses
    assert (config.images_per_prompt, losses.semantics, losses.face, config.target().names) == PUBLISHED[name]
    assert (config.learning_rate, config.weight_decay, config.ema_decay, losses.confidence) == (5e-5, 0.01, 0.996, 0.8)
    assert (config.sampling_steps, config.guidance_scale, config.timesteps_per_update) == (20, 7.5, 0)
    assert (config.model, config.gradient, preset.kind) == ("sd15", "adjusted", "experiment")
    if name.endswith("tokens"):
        assert (config.tune, config.soft_tokens) == ("tokens", 5)
    else:
        assert (config.tune, config.lora_rank) == ("text_encoder", 50)
    ages = config.target().marginal("age").tolist() if "age" in config.target().names else None
    assert ages in (None, [0.75, 0.25])
