"""The commands where the machine's own encoding is not UTF-8, as on Windows: files are UTF-8 all the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairness_core.commands.parser import build_parser
from fairness_core.runs import RunFolder, load_comparisons
from fairness_core.settings.config import FinetuneConfig, load_config

ROOT = Path(__file__).resolve().parents[3]
FOREIGN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1",
           "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
ONE_AFTER_ANOTHER = """
import locale, sys
from helpers.fakes import tiny_model
from fairness_core.__main__ import main
import fairness_core.commands.common
assert locale.getpreferredencoding().lower().replace("-", "") != "utf8"
model = tiny_model()
fairness_core.commands.common.load_model = lambda name, **options: model
for command in (
        ["train", "--config", "caf.yaml", "--out", "run"],
        ["train", "--out", "run", "--resume", "--set", "steps=2"],
        ["evaluate", "--run", "run", "--images", "2", "--prompts", "trained", sys.argv[1], "--out", "run"],
        ["generate", "--config", "run/config.yaml", "--prompt", sys.argv[1], "--images", "1", "--out", "pictures"],
        ["report", "--run", "run", "run", "--out", "tables"],
        ["convert", "run/adapter/pytorch_lora_weights.safetensors", "kohya.safetensors", "--format", "kohya"]):
    assert main(command) == 0, command
"""


def test_every_command_reads_and_writes_utf8(tmp_path):
    config = FinetuneConfig(
        prompts=("a waiter in a café → bar",), marginals={"gender": {"female": .5, "male": .5}}, lora_rank=2,
        steps=1, images_per_prompt=2, sampling_steps=2, timesteps_per_update=1, guidance_scale=3.0)
    text = f"prompts: [{config.prompts[0]}]\nmarginals: {{gender: {{female: 0.5, male: 0.5}}}}\nlora_rank: 2\n" \
           "steps: 1\nimages_per_prompt: 2\nsampling_steps: 2\ntimesteps_per_update: 1\nguidance_scale: 3.0\n"
    (tmp_path / "caf.yaml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "caf.yaml") == config
    done = subprocess.run([sys.executable, "-c", ONE_AFTER_ANOTHER, "a café guest".encode()], cwd=tmp_path,
                          env=os.environ | FOREIGN, capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert load_config(tmp_path / "run" / "config.yaml").prompts == config.prompts
    assert [c.prompt for c in load_comparisons(RunFolder(tmp_path / "run"))] == [*config.prompts, "a café guest"]
    for name in ("run/report.html", "run/metrics.json"):
        told = (tmp_path / name).read_text(encoding="utf-8")
        assert "Ã" not in told and ("café" in told or name.endswith("json"))
    assert (tmp_path / "tables" / "tables.md").read_text(encoding="utf-8")
    assert (tmp_path / "kohya.safetensors").is_file()
    assert b"2 ? 2 / 2" in done.stdout, "this terminal knows no arrow"


@pytest.mark.parametrize("words", [["generate", "--config", "x", "--out", "x", "--prompt"],
                                   ["evaluate", "--out", "x", "--prompts"], ["train", "--out", "x", "--set"]])
def test_what_was_typed_is_read_as_utf8(words, capsys):
    typed = "café".encode().decode("ascii", "surrogateescape")  # as Python reads it where it knows ASCII only
    options = build_parser().parse_args([*words, typed])
    assert vars(options)[words[-1].strip("-")] == ["café"]
    with pytest.raises(SystemExit):
        build_parser().parse_args([*words, "caf\udce9"])
    assert "is no text in UTF-8" in capsys.readouterr().err
