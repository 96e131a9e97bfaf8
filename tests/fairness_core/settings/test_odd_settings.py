"""Settings files with odd values: each is refused at once, in one plain sentence that names what is wrong."""

import time
from dataclasses import fields

import pytest

from fairness_core.settings.config import ConfigError, FinetuneConfig, load_config

SECONDS = 10.0  # of processor; the largest takes .2 s where nothing else runs, and what explodes takes minutes
HUGE = "9" * 30
ODD = {  # a settings file -> a part of what is said
    "prompts: 5": "prompts is 5",
    "prompts: null": "prompts is None",
    "prompts: a nurse": "it must be a list",
    "prompts: [1, 2]": "prompts (number 1) is 1: it must be text",
    "prompts: [a nurse, null]": "prompts (number 2) is None",
    "prompts: [[a, b], [c]]": "prompts (number 1)",
    "prompts: {a: b}": "it must be a list",
    "prompts: [[[[[[deep]]]]]]": "prompts (number 1)",
    "prompts: [true]": "it must be text",
    'prompts: ["a \\ud800 nurse"]': "half a character",
    'kept_prompts: ["\\udfff"]': "half a character",
    "prompts: [2025-01-31]": "it must be text",
    "prompts: !!binary aGVsbG8=": "it must be a list",
    f"prompts: [{'x' * 5000}]": "at most 4000 characters",
    f"prompts: [{'a,' * 10_001}]": "at most 10000 of them",
    "kept_prompts: a nurse": "kept_prompts",
    "kept_prompts: 3.5": "kept_prompts",
    "model: null": "model is None",
    "model: 5": "it must be text",
    "model: [mini]": "it must be text",
    "model: ''": "not be empty",
    'model: "\\ud800"': "half a character",
    "losses: 5": "losses is 5",
    "losses: null": "losses is None",
    "losses: [1, 2]": "losses",
    "losses: heavy": "losses",
    "losses: {face: null}": "losses.face is None",
    "losses: {face: [1]}": "losses.face",
    "losses: {face: .nan}": "losses.face",
    "losses: {semantics: .inf}": "losses.semantics",
    "losses: {semantics: -1}": "losses.semantics is -1: it must be at least 0",
    "losses: {confidence: 2}": "losses.confidence is 2: it must be at most 1",
    "losses: {faces: 1}": "Unknown setting 'faces'",
    "losses: {3: 1}": "Unknown setting 3",
    "losses: {face: 1e-3}": "write 0.002 and not 2e-3",
    f"seed: {2**64}": "seed is",
    "seed: 1.0e+30": "whole number",
    "seed: 1e30": "whole number",
    "seed: 0x" + "f" * 5000: "seed is a number of more than 60 digits",
    "seed: " + "1" * 5000: "cannot be read as YAML",
    "steps: 1.0e+23": "whole number",
    f"steps: {10**23}": "steps is 100000000000000000000000: it must be at most 1000000.",
    "steps: yes": "steps is True",
    "steps: 2.5": "whole number",
    "lora_rank: 1000000": "at most 1024",
    "images_per_prompt: 100000": "at most 1024",
    "images_per_prompt: 1": "images_per_prompt is 1: it must be at least 2",
    "prompts_per_step: 1000000000": "at most 1000",
    "{images_per_prompt: 1000, prompts_per_step: 1000}": "at most 10000 images",
    "sampling_steps: 5000": "at most 1000",
    "sampling_steps: 1000000000": "at most 1000",
    "noise_batches: 1.0e+20": "whole number",
    f"noise_batches: {10**20}": "at most 1000000",
    "comparison_steps: 5000": "at most 1000",
    "timesteps_per_update: 11": "0 (all) and sampling_steps, 10",
    "joint: 5": "full table of numbers, not 5",
    "joint: [[0.5, 0.5], [0.5]]": "full table of numbers",
    "joint: half": "full table",
    "joint: {a: 1}": "full table",
    "joint: [[0.5, null]]": "full table",
    "joint: [[true, false]]": "full table",
    "joint: [[], []]": "full table",
    "joint: [.nan, .5]": "between 0 and 100 %",
    "joint: [-0.5, 1.5]": "between 0 and 100 %",
    "joint: &a [*a, *a]": "full table",
    "joint: [[[[[[[[[[1]]]]]]]]]]": "full table",
    "joint: [&a [1,1,1,1,1,1,1,1], &b [*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b], "
    "&d [*c,*c,*c,*c,*c,*c,*c,*c], [*d,*d,*d,*d,*d,*d,*d,*d]]": "full table",
    "joint_attributes: gender": "it must be a list",
    "joint_attributes: [1]": "it must be text",
    "joint_attributes: 5": "joint_attributes",
    "marginals: [1]": "Write a target as",
    "marginals: null": "Write a target as",
    "marginals: fair": "Write a target as",
    "marginals: {gender: 0.5}": "Write a target as",
    "marginals: {1: {a: 1}}": "Write a target as",
    "marginals: {gender: {female: half}}": "numbers, not 'half'",
    "marginals: {gender: {female: null}}": "numbers, not None",
    "marginals: {gender: {female: .inf}}": "between 0 and 100 %",
    "marginals: {gender: {female: [1]}}": "numbers, not [1]",
    "marginals: {gender: {female: -1, male: 2}}": "between 0 and 100 %",
    f"marginals: {{gender: {{female: {HUGE}}}}}": "100 %",
    "marginals: {gender: {yes: 1}}": "True is no name",
    "targets_by_prompt: [a nurse]": "targets_by_prompt is ['a nurse']",
    "targets_by_prompt: {a nurse: 0.9}": "target of 'a nurse'",
    "targets_by_prompt: {a nurse: {joint: 5, joint_attributes: [gender]}}": "target of 'a nurse' cannot be used",
    "targets_by_prompt: {a nurse: {joint: [1], joint_attributes: 7}}": "a list of names",
    "targets_by_prompt: {5: {}}": "it must be text",
    'unconditional_gradient: "no"': "unconditional_gradient is 'no': it must be true or false",
    "unconditional_gradient: 1": "true or false",
    "lora_targets: mlp": "lora_targets is 'mlp'",
    "lora_targets: []": "(attention, mlp or both)",
    "lora_targets: [heads]": "choose 'attention'",
    "lora_targets: [mlp, mlp, mlp]": "lora_targets",
    "tune: [unet]": "tune is ['unet']: choose",
    "gradient: 3": "choose 'adjusted'",
    "learning_rate: 2e-3": "write 0.002 and not 2e-3",
    "learning_rate: 1000": "at most 10",
    "ema_decay: 1": "below 1 (0: no average)",
    "guidance_scale: 0.5": "at least 1 (1: no guidance)",
    "guidance_scale: 1.0e+300": "at most 100",
    "training_guidance_scale: 0.5": "0 (as guidance_scale) or at least 1",
    "learning_rate: true": "a number",
    "[" * 500: "nested too deep",
    "steps: 2025-13-45": "cannot be read as YAML: month",
    "steps: !!bool perhaps": "cannot be read",
    "steps: !!int ''": "cannot be read",
    "a: *b": "line 1: found undefined alias",
    "? [1]\n: 2": "line 1",
    "[1": "line 1",
    "- steps": "not ['steps']",
    "5": "not 5",
    "steps 5": "not 'steps 5'",
    "{1: 2}": "Unknown setting 1",
    "{null: 2}": "Unknown setting None",
    f"{'y' * 500}: 2": "Unknown setting 'yyy",
    "steps: &a [*a]": "whole number",
    "": "not None",
    "\x00": "cannot be read",
}
NUMBERS = [f.name for f in fields(FinetuneConfig) if type(f.default) in (int, float)]
CHOICES = ["model", "tune", "learning_rate_schedule", "gradient"]
LISTS = ["prompts", "kept_prompts", "joint_attributes", "lora_targets"]
NO_NUMBER = ["null", "[1]", "{a: 1}", "many", "''", ".nan", ".inf", "-.inf", "-1", f"-{HUGE}", HUGE, "1.0e+300",
             "0x" + "f" * 400, "true", '"\\ud800"', "2025-01-31", "!!binary aGk=", "!!set {1}"]
SWEEP = ([(name, value) for name in NUMBERS for value in NO_NUMBER]
         + [(name, value) for name in (*CHOICES, *LISTS)
            for value in ("null", "{a: 1}", "5", ".nan", "true", "[[1]]", '"\\ud800"')])


def refused(tmp_path, text: str) -> str:
    """What is said to a settings file."""
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    started = time.process_time()
    with pytest.raises(ConfigError) as told:
        load_config(path)
    assert time.process_time() - started < SECONDS
    said = str(told.value)
    assert len(said) < 800 and said.endswith(".") and "\n" not in said and "pydantic" not in said
    return said


@pytest.mark.parametrize(("text", "says"), ODD.items(), ids=lambda text: text[:40])
def test_an_odd_file_is_refused_in_words(tmp_path, text, says):
    assert says in refused(tmp_path, text)


@pytest.mark.parametrize(("name", "value"), SWEEP, ids=lambda text: text[:40])
def test_every_field_refuses_what_it_cannot_be(tmp_path, name, value):
    assert refused(tmp_path, f"{name}: {value}").startswith(name)
