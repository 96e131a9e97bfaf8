"""Settings: refused with advice, and the same after a file."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from fairness_core.settings.config import ConfigError, FinetuneConfig, LossWeights, from_plain, load_config, to_plain
from fairness_core.settings.ratios import TargetError

FULL = FinetuneConfig(
    prompts=("a nurse", "été: \"quoted\" # not a comment"), marginals={"gender": {"female": 0.3, "male": 0.7}},
    learning_rate=5e-05, steps=7, seed=2**40, gradient="unscaled", losses=LossWeights(6.0, 0.1, 0.7))
JOINT = FinetuneConfig(prompts=("a nurse",), joint=[[0.5, 0.0], [0.1, 0.4]], joint_attributes=("gender", "age"))

BY_PROMPT = FinetuneConfig(
    prompts=("a nurse", "a judge", "a chef"), marginals={"gender": {"female": 0.5, "male": 0.5}}, targets_by_prompt={
        "a nurse": {"gender": {"female": 0.9, "male": 0.1}}, "a judge": {"joint_attributes": ["gender"], "joint": [0.4, 0.6]}})


@pytest.mark.parametrize("config", [FinetuneConfig(), FULL, JOINT, BY_PROMPT])
def test_round_trip(tmp_path, config):
    config.save(tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config
    assert from_plain(to_plain(config)) == config


def test_a_saved_config_is_plain_yaml(tmp_path):
    FULL.save(tmp_path / "config.yaml")
    data = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert data["learning_rate"] == 5e-05 and data["prompts"] == list(FULL.prompts)


def test_settings_left_out_keep_their_defaults():
    assert from_plain({"steps": 3}) == FinetuneConfig(steps=3)
    assert from_plain({"losses": {"face": 0.1}}).losses == LossWeights(face=0.1)


def test_targets():
    assert FULL.target().marginal("gender").tolist() == [0.3, 0.7]
    target = JOINT.target()
    assert target.names == ("gender", "age")
    np.testing.assert_allclose(target.marginal("age"), [0.6, 0.4])


def test_a_prompt_may_have_its_own_target():
    shares = {prompt: BY_PROMPT.target(prompt).marginal("gender")[0] for prompt in (None, *BY_PROMPT.prompts, "a poet")}
    assert shares == {None: 0.5, "a nurse": 0.9, "a judge": 0.4, "a chef": 0.5, "a poet": 0.5}


@pytest.mark.parametrize(("own", "says"), [
    ({"gender": {"female": 0.9}}, "The target of 'a nurse' cannot be used: The ratios of gender sum to 90"),
    ({"age": {"young": 0.5, "old": 0.5}}, "'a nurse' controls age, the others gender"),
    ({"joint_attributes": ["gender"], "joint": [1]}, "'a nurse' cannot be used: The joint table has shape"),
    (0.9, "'a nurse' cannot be used: Write a target as"), ({"gender": 0.9}, "'a nurse' cannot be used: Write a target as"),
    (None, "Write a target as")])
def test_a_prompts_own_target_that_cannot_be_used(own, says):
    with pytest.raises(TargetError, match=says):
        replace(BY_PROMPT, targets_by_prompt={"a nurse": own}).target("a nurse")


@pytest.mark.parametrize(("changes", "says"), [
    ({"marginals": {"gender": {"female": 0.5}}}, "sum to 50"),
    ({"joint": [[0.5, 0.5], [0.5]], "joint_attributes": ("gender", "age")}, "full table of numbers"),
    ({"joint": [0.5, 0.5], "joint_attributes": ("height",)}, "Unknown attribute 'height'"),
    ({"joint": [[1.0, 0.0], [0.0, 0.0]], "joint_attributes": ("gender", "gender")}, "listed twice"),
    ({"joint": [1.0], "joint_attributes": ()}, "at least one attribute"),
])
def test_a_target_that_cannot_be_used(changes, says):
    with pytest.raises(TargetError, match=says):
        replace(FinetuneConfig(), **changes).target()


@pytest.mark.parametrize(("setting", "value"), [
    *((name, value) for name in ("steps", "lora_rank", "learning_rate", "images_per_prompt", "prompts_per_step",
                                 "sampling_steps", "film_strip_every", "checkpoint_every", "max_grad_norm")
      for value in (0, -1)),
    ("images_per_prompt", 1), ("seed", -1), ("noise_batches", -1), ("weight_decay", -0.1), ("ema_decay", 1.0),
    ("ema_decay", -0.1), ("guidance_scale", 0.5), ("gradient", "exact"), ("tune", "vae"),
    ("lora_alpha", -1), ("soft_tokens", 0), ("lora_targets", ()), ("lora_targets", ("heads",)), ("lora_targets", "mlp"),
    ("lora_targets", None), ("timesteps_per_update", 11), ("timesteps_per_update", -1), ("learning_rate", float("nan")),
    ("learning_rate", float("inf")), ("learning_rate", "2e-3"), ("steps", 2.5), ("steps", "30"), ("steps", True),
    ("steps", None), ("guidance_scale", None), ("learning_rate_schedule", "step"), ("targets_by_prompt", ["a nurse"])])
def test_a_setting_out_of_range_is_named(setting, value):
    with pytest.raises(ConfigError, match=setting if setting not in ("gradient", "tune") else f"{value}.*choose"):
        FinetuneConfig(**{setting: value})


@pytest.mark.parametrize("weights", [{"semantics": -1.0}, {"face": -0.1}, {"confidence": 1.1}, {"confidence": "high"}])
def test_loss_weights_out_of_range(weights):
    with pytest.raises(ConfigError):
        LossWeights(**weights)


def test_limits_that_are_allowed():
    FinetuneConfig(guidance_scale=1, timesteps_per_update=0, noise_batches=0, ema_decay=0.0, weight_decay=0, seed=0,
                   steps=np.int64(3), learning_rate=np.float64(0.1))
    FinetuneConfig(timesteps_per_update=10, sampling_steps=10)
    LossWeights(0, 0, 1)


@pytest.mark.parametrize(("text", "says"), [
    ("step: 3", "Unknown setting 'step': choose among"), ("losses: {facial: 1}", "Unknown setting 'facial'"),
    ("", "not None"), ("- 1", r"not \[1\]"), ("3: 4", "Unknown setting 3"), ("losses: [1", "cannot be read as YAML"),
    ("learning_rate: 2e-3", "write 0.002 and not 2e-3")])
def test_a_file_that_cannot_be_used(tmp_path, text, says):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load_config(path)
