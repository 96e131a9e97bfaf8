"""make space-deploy: what goes to a Space, and what does not."""

import re

import pytest
from helpers.fake_hub import TOKEN, serving_hub
from huggingface_hub import HfApi

from app import deploy
from app.deploy import ROOT, gather, main

SPACE = "ada/fair-portraits"


@pytest.fixture
def hub(monkeypatch):
    with serving_hub() as hub:
        monkeypatch.setattr(deploy, "HfApi", lambda token: HfApi(endpoint=hub.address, token=token))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def few_files(monkeypatch, tmp_path):
    """A small project in place of this one: a hub of this machine need not be sent 60 MB."""
    for name in ("app/page.py", "app/__pycache__/page.pyc", "app/.hidden", "fairness_core/METHOD.md",
                 "assets/mini/unet.safetensors", *deploy.FILES, "tests/test_it.py", "benchmarks/cost.py", "mini_world/loop.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    return {"app/page.py", "fairness_core/METHOD.md", "assets/mini/unet.safetensors", *deploy.FILES, ".gitattributes"}


def test_a_space_gets_what_it_needs_and_nothing_else(hub, few_files, capsys):
    assert main([SPACE]) == 0
    made = hub.repositories[SPACE]
    assert made["kind"] == ("space", "gradio") and not made["private"]
    assert set(made["files"]) == few_files
    assert made["files"]["app/page.py"] == b"app/page.py"
    assert f"{hub.address}/spaces/{SPACE}" in capsys.readouterr().out


def test_what_is_gone_here_goes_there_too_but_the_spaces_own_files_stay(hub, few_files):
    assert main([SPACE, "--private"]) == 0
    hub.repositories[SPACE]["files"] |= {"app/old.py": b"", "own-notes.md": b""}
    assert main([SPACE]) == 0
    assert set(hub.repositories[SPACE]["files"]) == few_files | {"own-notes.md"}
    assert hub.repositories[SPACE]["private"]


def test_a_dry_run_lists_the_files_and_their_sum_and_uploads_nothing(hub, few_files, capsys):
    assert main(["--dry-run"]) == 0
    *files, last = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in files} == few_files
    assert re.fullmatch(rf"{len(few_files)} files, \d+\.\d MB", last)
    assert hub.repositories == {}


@pytest.mark.parametrize(("space", "token", "says"), [
    ("", TOKEN, "your-name/its-name"), ("fair-portraits", TOKEN, "your-name/its-name"), ("bob/fair-portraits", TOKEN, "your own name"),
    (SPACE, "hf_" + "b2" * 17, "does not know this token"), (SPACE, "", "hf auth login")])
def test_what_cannot_be_done_is_said_in_a_line(hub, few_files, monkeypatch, capsys, space, token, says):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(deploy, "get_token", lambda: token or None)
    assert main([space]) == 1
    error = capsys.readouterr().err
    assert says in error and error.startswith("error: ") and (not token or token not in error)


def test_this_project_as_a_space_is_small(tmp_path):
    """README says how large."""
    files = gather(tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in files}
    assert {"app.py", "README.md", "requirements.txt", "fairness_core/METHOD.md", "assets/mini/model_index.json"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "mini_world/", ".git/"))]
    size = sum(path.stat().st_size for path in files) / 1e6
    told = int(re.search(r"starts at (\d+) MB", (ROOT / "README.md").read_text(encoding="utf-8")).group(1))
    assert size < 80 and abs(size - told) < 3


def test_every_binary_file_goes_to_the_large_file_storage(tmp_path):
    kinds = {line.split()[0][1:] for line in deploy.ATTRIBUTES.splitlines()}
    binary = {path.suffix for path in gather(tmp_path) if b"\0" in path.read_bytes()[:8000]}
    assert binary <= kinds


def test_this_repository_needs_no_large_file_storage():
    attributes = ROOT / ".gitattributes"
    assert not attributes.exists() or "filter=lfs" not in attributes.read_text(encoding="utf-8")
