"""Presets are files: each of the shipped ones can be used as it is, and a broken one says why."""

import pytest
import yaml

from fairness_core.attributes import ASSETS
from fairness_core.config import ConfigError, FinetuneConfig
from fairness_core.presets import load_preset, load_presets
from fairness_core.prompts import is_held_out

SHIPPED = sorted((ASSETS / "presets").glob("*.yaml"))
PRESET = {"label": "Short", "description": "A look.", "measured_seconds_per_step": 4,
          "config": {"steps": 10, "prompts": ["a nurse"], "marginals": {"gender": {"female": 0.5, "male": 0.5}}}}


def write(folder, name: str, data: object):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_a_preset_is_named_after_its_file(tmp_path):
    preset = load_preset(write(tmp_path, "short", PRESET))
    assert (preset.name, preset.label, preset.description, preset.seconds_per_step) == ("short", "Short", "A look.", 4.0)
    assert preset.config == FinetuneConfig(steps=10, prompts=("a nurse",), marginals=PRESET["config"]["marginals"])


def test_presets_come_shortest_first(tmp_path):
    write(tmp_path, "a", PRESET | {"config": {"steps": 100}})
    write(tmp_path, "b", PRESET)
    write(tmp_path, "c", PRESET | {"measured_seconds_per_step": 1.0, "config": {"steps": 20}})
    (tmp_path / "notes.txt").write_text("not a preset")
    assert [p.name for p in load_presets(tmp_path)] == ["c", "b", "a"]
    assert load_presets(tmp_path / "absent") == []


@pytest.mark.parametrize(("data", "says"), [
    (PRESET | {"config": {"stepps": 1}}, "Unknown setting 'stepps'"), (PRESET | {"config": {"steps": 0}}, "steps is 0"),
    ({k: v for k, v in PRESET.items() if k != "label"}, "short.yaml lacks 'label'"), (None, "lacks 'label'"),
    (PRESET | {"config": None}, "Settings must be")])
def test_a_broken_preset_says_why(tmp_path, data, says):
    with pytest.raises(ConfigError, match=says):
        load_preset(write(tmp_path, "short", data))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_preset_can_be_used_as_it_is(path):
    preset = load_preset(path)
    assert preset.label and preset.description and preset.seconds_per_step > 0
    assert not any(is_held_out(prompt) for prompt in preset.config.prompts)  # or nothing measures what carries over
    if preset.config.marginals or preset.config.joint:
        preset.config.target()
