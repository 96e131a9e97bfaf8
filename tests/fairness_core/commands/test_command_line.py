"""python -m fairness_core with the tiny model: what it writes, prints and answers."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from fairness_core.__main__ import main
from fairness_core.commands.common import chosen_prompts, load_settings
from fairness_core.evaluation.compare import compare
from fairness_core.metrics.must_not_move import PanelPrompt
from fairness_core.settings.config import ConfigError, FinetuneConfig, load_config, to_plain
from fairness_core.settings.prompts import load_concepts, prompt_for


def test_train_tells_every_step_and_writes_a_run(config, tmp_path, capsys):
    assert main(["train", "--config", config, "--out", str(tmp_path / "run"), "--set", "learning_rate=0.004", "steps=3"]) == 0
    steps = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert [line.split()[1] for line in steps] == ["1/3", "2/3", "3/3"] and "distance gender" in steps[0]
    assert load_config(tmp_path / "run" / "config.yaml").learning_rate == 0.004
    for name in ("events.jsonl", "about.yaml", "checkpoint.safetensors", "adapter/pytorch_lora_weights.safetensors"):
        assert (tmp_path / "run" / name).is_file()


def test_a_run_is_continued_only_when_asked(trained, config, capsys):
    assert main(["train", "--config", config, "--out", str(trained)]) == 1
    assert "add --resume" in capsys.readouterr().err
    assert main(["train", "--out", str(trained), "--resume", "--set", "steps=3"]) == 0
    out = capsys.readouterr().out
    assert "from step 2 to 3" in out and "step 3/3" in out and "step 1/" not in out


def test_ctrl_c_stops_after_the_step_and_keeps_what_was_learned(config, tmp_path, monkeypatch, capsys):
    from fairness_core.commands import train
    told = train.words

    def interrupting(event):
        if type(event).__name__ == "StepDone":
            os.kill(os.getpid(), signal.SIGINT)
        return told(event)

    monkeypatch.setattr(train, "words", interrupting)
    before = signal.getsignal(signal.SIGINT)
    assert main(["train", "--config", config, "--out", str(tmp_path / "run")]) == 130
    output = capsys.readouterr()
    assert "stopped at step 1" in output.out and "kept" in output.err
    assert (tmp_path / "run" / "adapter" / "pytorch_lora_weights.safetensors").is_file()
    assert signal.getsignal(signal.SIGINT) is before


def test_check_tells_what_moved_in_the_panel(trained, tmp_path, capsys, monkeypatch):
    out, panel = tmp_path / "new" / "moved.json", (PanelPrompt("a female nurse", {"gender": "female"}), PanelPrompt("a room"))
    monkeypatch.setattr("fairness_core.commands.check.load_panel", lambda: panel)  # this model reads few words
    assert main(["check", "--run", str(trained), "--images", "2", "--out", str(out)]) == 0
    told = json.loads(out.read_text(encoding="utf-8"))
    assert [line["prompt"] for line in told] == [entry.prompt for entry in panel]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("| a female", "| a room"))]
    words = [{"absent": "not painted before either"}.get(result["status"], result["status"]) for result in told]
    assert len(lines) == len(panel) and all(line.endswith(f"| {word} |") for line, word in zip(lines, words))
    assert told[0]["named"] == {"gender": "female"} and told[1]["agreement_before"]["n"] == 2


def test_evaluate_sweeps_the_guidance_and_writes_its_results(trained, tmp_path, capsys):
    out = tmp_path / "eval"
    assert main(["evaluate", "--run", str(trained), "--images", "3", "--prompts", "trained", "a free prompt",
                 "--guidance", "1.5", "3", "--out", str(out)]) == 0
    assert "gender: " in capsys.readouterr().out
    record = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert [p["prompt"] for p in record["prompts"]] == ["a nurse", "a chef", "a free prompt"]
    assert record["settings"]["guidance_scale"] == 3 and "interval" in record["verdicts"]["gender"]["sentence"]
    female = record["prompts"][0]["after"]["frequencies"]["gender"]["female"]
    assert female["low"] <= female["frequency"] <= female["high"]
    rows = list(csv.DictReader((out / "guidance.csv").open(encoding="utf-8")))
    assert {row["guidance_scale"] for row in rows} == {"1.5", "3.0"}
    assert "by guidance scale" in (out / "report.html").read_text(encoding="utf-8")
    assert (out / "guidance-1.5" / "comparisons.json").is_file() and (out / "metrics.csv").is_file()


def test_evaluate_paints_the_baseline_beside_it(trained, tmp_path, capsys):
    out = tmp_path / "eval"
    assert main(["evaluate", "--run", str(trained), "--images", "4", "--prompts", "trained", "a landscape", "--baseline",
                 "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "What each gives" in told and "Words in the prompt" in told and "left alone: it names no person" in told
    prompts = {p["prompt"]: p["baseline"] for p in json.loads((out / "metrics.json").read_text(encoding="utf-8"))["prompts"]}
    assert set(prompts["a nurse"]["prompts"]) <= {"a female nurse", "a male nurse"} and prompts["a landscape"]["left_alone"]
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Left alone, for it names no person" in report and "Words in the prompt" in report
    assert next(csv.DictReader((out / "metrics.csv").open(encoding="utf-8")))["distance_baseline"]


def test_the_run_itself_can_be_measured_in_place(trained, capsys):
    before = (trained / "config.yaml").read_text(encoding="utf-8")
    assert main(["evaluate", "--run", str(trained), "--images", "2", "--prompts", "trained", "--out", str(trained)]) == 0
    assert (trained / "config.yaml").read_text(encoding="utf-8") == before and (trained / "comparisons.json").is_file()
    assert main(["evaluate", "--run", str(trained), "--images", "2", "--guidance", "7", "--out", str(trained)]) == 1


@pytest.mark.parametrize("by_run", [True, False])
def test_generate_writes_the_images_that_compare_paints(by_run, trained, config, tmp_path, tiny):
    adapter, out = trained / "adapter" / "pytorch_lora_weights.safetensors", tmp_path / "out"
    source = ["--run", str(trained)] if by_run else ["--config", config, "--adapter", str(adapter)]
    assert main(["generate", *source, "--prompt", "../a nurse", "--images", "2", "--strength", "0.5", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["01-a-nurse-000.png", "01-a-nurse-001.png", "01-a-nurse.png"]
    [same] = compare(tiny, ["../a nurse"], range(2), 0, adapter, 0.5, sampling_steps=3, guidance_scale=3.0)
    assert np.array_equal(np.asarray(Image.open(out / "01-a-nurse-001.png")), same.tuned.images[1])


def test_an_adapter_of_another_model_is_told_of(trained, config, tmp_path, tiny, capsys):
    file = tmp_path / "theirs.safetensors"
    save_file(load_file(trained / "adapter" / "pytorch_lora_weights.safetensors"), file, {"ss_sd_model_name": "owner/name"})
    command = ["--adapter", str(file), "--images", "1", "--out"]
    assert main(["generate", "--config", config, "--prompt", "a nurse", *command, str(tmp_path / "a")]) == 0
    assert capsys.readouterr().err.startswith("theirs.safetensors was made for owner/name, and this model is tiny.")
    assert main(["evaluate", "--config", config, "--prompts", "trained", *command, str(tmp_path / "b")]) == 0
    assert capsys.readouterr().err.startswith("theirs.safetensors was made for owner/name, and this model is tiny.")


def test_report_of_several_runs_adds_the_tables(trained, tmp_path, capsys):
    out = tmp_path / "eval"
    assert main(["evaluate", "--run", str(trained), "--images", "2", "--prompts", "trained", "--out", str(out)]) == 0
    assert main(["report", "--run", str(out), str(out), "--out", str(tmp_path / "tables")]) == 0
    text = (tmp_path / "tables" / "tables.md").read_text(encoding="utf-8")
    assert "## Bias, trained on" in text and "| nothing |" in text and "floor" in text
    assert list((tmp_path / "tables").glob("table-bias-*.csv"))
    assert main(["report", "--run", str(trained)]) == 0 and (trained / "report.html").is_file()


def test_report_of_one_run_goes_where_it_is_told_and_leaves_the_run_as_it_is(trained, tmp_path):
    before = {path.name for path in trained.iterdir()}
    assert main(["report", "--run", str(trained), "--out", str(tmp_path / "elsewhere")]) == 0
    assert {"report.html", "metrics.csv", "metrics.json"} <= {path.name for path in (tmp_path / "elsewhere").iterdir()}
    assert {path.name for path in trained.iterdir()} == before


def test_bench_prints_one_record(config, capsys):
    assert main(["bench", "--config", config, "--steps", "1"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["steps_timed"] == 1 and record["images_per_step"] == 2
    assert record["trained_images_per_second"] == pytest.approx(2 / record["seconds_per_step"], rel=0.1)


def test_settings_come_from_presets_and_from_runs(tmp_path):
    from fairness_core.settings.attributes import ASSETS
    preset = load_settings(ASSETS / "presets" / "mini-short.yaml", ["losses.face=0.5"])
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(to_plain(preset)), encoding="utf-8")
    assert load_settings(path) == preset and preset.losses.face == 0.5


def test_prompts_are_named_or_written_out():
    nurse, chef = prompt_for("nurse"), prompt_for("chef")
    config = FinetuneConfig(prompts=(nurse, chef))
    held_out = chosen_prompts(["held-out"], config)
    assert nurse not in held_out and len(held_out) == len(load_concepts().held_out) - 1
    assert chosen_prompts(["all", "mine", chef], config) == [nurse, chef, *held_out, "mine"]
    with pytest.raises(ConfigError, match="no prompts"):
        chosen_prompts(["trained"], FinetuneConfig())


def test_help_answers_without_loading_the_engine():
    script = "import sys; from fairness_core.commands.parser import build_parser; build_parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.stdout.strip() == "False", done.stderr
