"""The README's promises that a machine can check."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from fairness_core.commands.parser import COMMANDS, build_parser
from fairness_core.report import model_card
from fairness_core.runs import RunFolder, read_about, read_config

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_front_matter_is_what_a_space_reads():
    front = yaml.safe_load(README.split("---")[1])
    assert {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license"} <= set(front)
    assert len(front["short_description"]) <= 60
    assert (ROOT / front["app_file"]).exists()


def test_every_linked_file_exists():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_python_examples_compile():
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert examples
    for example in examples:
        compile(example, "README.md", "exec")


def engine_example() -> str:
    """The one that uses the engine's public face."""
    [example] = [e for e in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "from fairness_core import" in e]
    return example


def test_the_engine_example_has_20_lines():
    assert len([line for line in engine_example().splitlines() if line.strip()]) <= 20


@pytest.mark.slow
def test_the_engine_example_works(tmp_path, monkeypatch, capsys):
    """As written, but for the folder, and fewer steps and images."""
    example = engine_example()
    for long, short in (('"runs/mine"', repr(str(tmp_path))), ("steps=10)", "steps=1, images_per_prompt=2)"),
                        ("range(16)", "range(2)")):
        assert long in example
        example = example.replace(long, short)
    exec(compile(example, "README.md", "exec"), {})
    assert "of the images would have to change class" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("where", ["README", "model card"])
def test_the_adapter_example_works(where, monkeypatch):
    """As written, but for the folders, with the built-in model as it is shipped: parts of it in half precision."""
    run = RunFolder(ROOT / "assets" / "recorded" / "mini-short")
    text = README if where == "README" else model_card(read_config(run), [], read_about(run))
    [example] = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "load_lora_weights" in code]
    example = example.replace("assets/mini", str(ROOT / "assets" / "mini")).replace("runs/<id>/adapter", ".")
    monkeypatch.chdir(run.adapter.parent)
    names: dict = {}
    exec(compile(example, where, "exec"), names)
    picture = np.asarray(names["image"])
    assert picture.shape == (128, 128, 3) and picture.std() > 20


def test_commands_are_understood():
    commands = re.findall(r"^python -m fairness_core (.*)$", README, re.MULTILINE)
    assert {build_parser().parse_args(shlex.split(words)).command for words in commands} == set(COMMANDS)
