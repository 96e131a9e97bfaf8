"""What the command line refuses, and in which words."""

import shutil
from pathlib import Path

import pytest

from fairness_core.__main__ import main
from fairness_core.settings.config import load_config


@pytest.mark.parametrize(("words", "says"), [
    (["train", "--config", "absent.yaml", "--out", "x"], "no settings file"),
    (["train", "--out", "x"], "--config"),
    (["train", "--config", "{config}", "--out", "x", "--set", "learning=1"], "Unknown setting 'learning'"),
    (["train", "--config", "{config}", "--out", "x", "--set", "steps"], "NAME=VALUE"),
    (["train", "--config", "{config}", "--out", "x", "--set", "losses.faces=1"], "Unknown setting 'faces'"),
    (["train", "--config", "{config}", "--out", "x", "--set", "marginals.gender.female=0.9"], "sum to 140"),
    (["train", "--config", "{config}", "--out", "x", "--set", "prompts=[]"], "at least one concept"),
    (["evaluate", "--config", "{config}", "--adapter", "absent.safetensors", "--out", "x"], "no adapter file"),
    (["evaluate", "--run", "absent", "--out", "x"], "not a run's folder"),
    (["evaluate", "--out", "x"], "--run"),
    (["generate", "--config", "{config}", "--prompt", "word " * 90, "--out", "x"], "shorten it"),
    (["generate", "--config", "{config}", "--prompt", " ", "--out", "x"], "prompt is empty"),
    (["report", "--run", "absent"], "not a run's folder")])
def test_what_cannot_be_used_is_said_in_one_line(words, says, config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([config if word == "{config}" else word for word in words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and says in error and error.count("\n") == 1


@pytest.mark.parametrize("words", [
    ["train", "--config", "{config}", "--out", "taken"], ["train", "--config", "{config}", "--out", "taken/run"],
    ["generate", "--config", "{config}", "--prompt", "a nurse", "--out", "taken"],
    ["evaluate", "--config", "{config}", "--out", "taken"],
    ["check", "--config", "{config}", "--out", "taken/moved.json"]])
def test_a_folder_that_is_a_file_is_told_before_time_is_spent(words, config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    monkeypatch.setattr("fairness_core.commands.common.load_model", None)
    assert main([config if word == "{config}" else word for word in words]) == 1
    assert capsys.readouterr().err == ("error: taken is a file, not a folder: choose another folder, or move that file "
                                       "away.\n")


def test_a_folder_that_cannot_be_written_is_named(config, tmp_path, monkeypatch, capsys):
    def refuse(dir):  # root may write anywhere
        raise PermissionError(13, "Permission denied", f"{dir}/tmp123")

    monkeypatch.setattr("fairness_core.commands.common.TemporaryFile", refuse)
    assert main(["train", "--config", config, "--out", str(tmp_path / "run")]) == 1
    assert f"error: {tmp_path}/run may not be read or written here: choose another place" in capsys.readouterr().err


def test_a_run_whose_folder_is_deleted_meanwhile_keeps_its_settings(config, tmp_path, monkeypatch):
    from fairness_core.commands import train
    told, folder = train.words, tmp_path / "run"

    def deleting(event):
        if type(event).__name__ == "StepDone" and event.step == 1:
            shutil.rmtree(folder)
        return told(event)

    monkeypatch.setattr(train, "words", deleting)
    assert main(["train", "--config", config, "--out", str(folder)]) == 0
    assert load_config(folder / "config.yaml") == load_config(Path(config))
    assert main(["evaluate", "--run", str(folder), "--images", "2", "--prompts", "trained", "--out", str(folder)]) == 0


@pytest.mark.parametrize("words", [["train"], ["paint"], ["evaluate", "--images", "0", "--out", "x"],
                                   ["evaluate", "--guidance", "0.5", "--out", "x"], ["evaluate", "--strength", "2", "--out", "x"]])
def test_wrong_words_are_refused_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2 and "usage:" in capsys.readouterr().err


def test_a_bug_is_not_hidden(config, tmp_path, monkeypatch):
    def broken(name, **options):
        raise ValueError("a bug")

    monkeypatch.setattr("fairness_core.commands.common.load_model", broken)
    with pytest.raises(ValueError, match="a bug"):
        main(["train", "--config", config, "--out", str(tmp_path / "run")])
