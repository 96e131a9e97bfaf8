"""python -m fairness_core audit: what it prints, writes and answers."""

import json

import pytest
from helpers.fake_pictures import BLUE, RED, colour_judge, folder_of_pictures

from fairness_core.__main__ import main


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("fairness_core.commands.audit.load_judge", lambda name: colour_judge())


@pytest.fixture
def pictures(tmp_path):
    return folder_of_pictures(tmp_path / "mine", {"nurse": [RED] * 20, "judge": [BLUE] * 18})


def test_it_tells_and_writes_everything(pictures, tmp_path, capsys):
    (pictures / "judge" / "odd.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert main(["audit", str(pictures), "--out", str(out), "--target", "gender", "age={young: 0.75, old: 0.25}"]) == 0
    told = capsys.readouterr()
    assert "judged by: Built-in (knows synthetic faces only)" in told.out and "16/39 pictures" in told.out and "gender: not yet" in told.out
    assert "left out judge/odd.png" in told.err and "WARNING: 38 of these 38 pictures" in told.err
    assert {path.name for path in out.iterdir()} == {"audit.html", "audit.csv", "audit.json", "pictures.csv"}
    record = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    assert record["audit"]["status"] == "fail" and {a["attribute"] for a in record["audit"]["attributes"]} == {
        "gender", "age", "gender x age"}


@pytest.mark.parametrize(("words", "says"), [
    (["--target", "shoes"], "Unknown attribute 'shoes': choose among gender"), (["--target", "gender={female: 2}"], "sum to 200"),
    (["--target", "gender={"], "The target of gender cannot be read"), (["--prompts-from", "list"], "No list tells")])
def test_what_cannot_be_used_is_told_in_one_line(pictures, tmp_path, capsys, words, says):
    assert main(["audit", str(pictures), "--out", str(tmp_path / "out"), *words]) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_a_folder_that_is_not_there_and_wrong_words(tmp_path, capsys):
    assert main(["audit", str(tmp_path / "gone"), "--out", str(tmp_path / "out")]) == 1
    assert "There is no" in capsys.readouterr().err
    for words in (["--faces", "some"], ["--tolerance", "0"], ["--judge", "me"]):
        with pytest.raises(SystemExit, match="2"):
            main(["audit", str(tmp_path), "--out", str(tmp_path / "out"), *words])


def test_photographs_need_critics_that_are_set_up(pictures, tmp_path, monkeypatch, capsys):
    from fairness_core.pictures.judges import load_judge
    monkeypatch.setattr("fairness_core.commands.audit.load_judge", load_judge)
    monkeypatch.delenv("FAIRNESS_CRITICS", raising=False)
    assert main(["audit", str(pictures), "--judge", "critics", "--out", str(tmp_path / "out")]) == 1
    assert "copy assets/critics.yaml into a folder" in capsys.readouterr().err
