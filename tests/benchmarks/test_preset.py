"""The command that measures presets: on a tiny model, with the shipped presets cut short."""

import json
from dataclasses import replace

import pytest
import torch
from helpers.fakes import tiny_model
from safetensors.torch import load_file

from benchmarks import preset as command
from fairness_core.runs import RunFolder, load_comparisons, read_about
from fairness_core.settings.presets import load_preset
from fairness_core.settings.prompts import load_concepts


def brief(path):
    preset = load_preset(path)
    config = replace(preset.config, steps=1, images_per_prompt=2, prompts_per_step=1, sampling_steps=2, comparison_steps=2,
                     timesteps_per_update=1, prompts=("chef", "boxer"), kept_prompts=("a man",))
    return replace(preset, config=config)


@pytest.fixture
def few(monkeypatch):
    """A nurse and a swimmer held out; the tokenizer of the tiny model takes few letters."""
    monkeypatch.setattr(command, "load_model", lambda name: tiny_model())
    monkeypatch.setattr(command, "load_preset", brief)
    monkeypatch.setattr(command, "prompt_for", lambda concept: concept)
    groups = {name: replace(group, held_out=group.held_out[:1]) for name, group in load_concepts().groups.items()}
    monkeypatch.setattr(command, "load_concepts", lambda: replace(load_concepts(), groups=groups))


def run(monkeypatch, capsys, *arguments: str) -> list[dict]:
    monkeypatch.setattr("sys.argv", ["preset", *arguments])
    command.main()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_preset_is_measured_on_all_and_on_each_kind_of_held_out_concept(few, monkeypatch, capsys):
    records = run(monkeypatch, capsys, "mini-short", "mini-race", "--images", "2")
    assert [r["preset"] for r in records if "preset" in r] == ["mini-short", "mini-race"]
    kinds = [f"held out, {kind}" for kind in load_concepts().groups]
    assert list(dict.fromkeys(r["prompts"] for r in records if "prompts" in r)) == ["held out", *kinds]
    gender = next(r for r in records if r.get("attribute") == "gender")
    assert gender["controlled"] and gender["prompt_count"] == len(kinds) and gender["images_a_prompt"] == 2
    low, high = gender["bias_original"][1:]
    assert low <= gender["bias_original"][0] <= high and sum(gender["frequencies_tuned"]) == pytest.approx(1, abs=0.01)


def test_another_target_than_the_presets_own(few, monkeypatch, capsys):
    records = run(monkeypatch, capsys, "mini-short", "--images", "2", "--set", "marginals={age: {young: 0.6, old: 0.4}}")
    controlled = {r["attribute"] for r in records if r.get("controlled")}
    assert controlled == {"age"} and all("distance_tuned" in r for r in records if r.get("attribute") == "age")


def test_each_run_is_recorded_in_a_folder_of_its_own(few, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "RECORDED_PICTURES", 1)
    records = run(monkeypatch, capsys, "mini-short", "mini-race", "--images", "2", "--record", str(tmp_path))
    for name in ("mini-short", "mini-race"):
        folder = RunFolder(tmp_path / name)
        comparisons = load_comparisons(folder)
        assert len(comparisons) == len(load_concepts().groups)
        assert all((len(c.tuned.numbers), c.tuned.shown) == (2, 1) for c in comparisons)
        assert {v.dtype for v in load_file(folder.adapter).values()} == {torch.float16}
        size = sum(path.stat().st_size for path in folder.path.rglob("*") if path.is_file())
        assert {"recorded": name, "megabytes": round(size / 1e6, 2)} in records
        assert read_about(folder).recorded and not (folder.path / "checkpoint.safetensors").exists()
