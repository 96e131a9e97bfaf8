"""Publishing a run: huggingface_hub itself, against a hub on this machine."""

import logging

import pytest
import yaml
from helpers.fake_hub import OWNER, TOKEN, serving_hub
from helpers.runs import CONFIG, comparison
from huggingface_hub import constants

from fairness_core.about import About
from fairness_core.adapters.files import LORA_FILE
from fairness_core.runs import HubError, RunError, push, save_about, save_comparisons, save_config

NAME = f"{OWNER}/fair-portraits"


@pytest.fixture
def hub(monkeypatch):
    with serving_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def run(folder):
    """A finished run."""
    save_config(folder, CONFIG)
    save_about(folder, About("Toward parity", model="mini"))
    save_comparisons(folder, [comparison()])
    folder.adapter.parent.mkdir()
    folder.adapter.write_bytes(b"weights")
    return folder


def test_a_run_becomes_a_repository(hub, run):
    assert push(run, f" {NAME} ", f"{TOKEN}\n") == f"{hub.address}/{NAME}"
    made = hub.repositories[NAME]
    assert made["private"] is True
    assert set(made["files"]) == {LORA_FILE, "README.md", "config.yaml", "metrics.csv", "report.html"}
    assert made["files"][LORA_FILE] == b"weights"
    assert yaml.safe_load(made["files"]["README.md"].decode().split("---")[1])["library_name"] == "diffusers"
    run.adapter.write_bytes(b"more weights")
    push(run, NAME, TOKEN, private=False)
    assert hub.repositories[NAME]["files"][LORA_FILE] == b"more weights" and hub.repositories[NAME]["private"] is True


def test_the_token_is_nowhere_afterwards(hub, run, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    push(run, NAME, TOKEN)
    assert TOKEN not in caplog.text + "".join(capsys.readouterr())
    assert not any(TOKEN.encode() in path.read_bytes() for path in run.path.rglob("*") if path.is_file())
    assert not any(TOKEN.encode() in part for part in hub.repositories[NAME]["files"].values())


@pytest.mark.parametrize(("name", "token", "words"), [
    ("fair-portraits", TOKEN, "your-name/its-name"), ("a/b/c", TOKEN, "your-name/its-name"), ("", TOKEN, "your-name"),
    ("../etc/x", TOKEN, "your-name"), (NAME, "", "Paste a token"), (NAME, "hf_wrong", "does not know this token"),
    ("somebody/else", TOKEN, "may not write to somebody/else")])
def test_refusals_in_words(hub, run, name, token, words):
    with pytest.raises(HubError, match=words) as refused:
        push(run, name, token)
    assert TOKEN not in str(refused.value) and not hub.repositories


def test_without_an_adapter_or_a_hub(run, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="cannot be reached.*upload it from another"):
        push(run, NAME, TOKEN)
    run.adapter.unlink()
    with pytest.raises(RunError, match="no adapter"):
        push(run, NAME, TOKEN)
