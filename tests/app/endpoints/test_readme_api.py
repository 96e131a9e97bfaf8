"""The README's examples of the endpoints, run as written but for the address."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
EXAMPLES = [e for e in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "gradio_client" in e]
ADDRESS = "http://127.0.0.1:7860"


def test_there_are_examples():
    assert len(EXAMPLES) == 2 and all(ADDRESS in e for e in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=["audit", "finetune"])
def test_the_examples_run(example, serve, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace(ADDRESS, serve().url), "README.md", "exec"), {})
    told = capsys.readouterr().out
    if "/report" in example:
        assert "Finished" in told and Path("report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    else:
        assert "Pass: a model exactly 10 % away" in told and "a photo of the face of a judge, a person" in told
