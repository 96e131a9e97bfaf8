"""The app as it is hosted: from a checkout that cannot be written, behind limits, with runs kept elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from helpers.fake_engine import fake_engine

from app.jobs.limits import own_limits
from app.launch import RECORDED, launch_options, runs_folder
from app.layout import build_app
from benchmarks.page_ready import ROOT, UNPRIVILEGED, answering, served

PARITY = {"gender": {"female": 50, "male": 50}}
WITHIN = UNPRIVILEGED if os.geteuid() == 0 else ()


@pytest.fixture
def checkout(tmp_path: Path):
    """A copy of the app's files that nobody may write."""
    folder = tmp_path / "checkout"
    for name in ("app", "fairness_core", "assets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    subprocess.run(["chmod", "-R", "a+rX,a-w", folder], check=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.slow
def test_it_runs_from_a_checkout_that_cannot_be_written(checkout, tmp_path):
    before = files(checkout)
    environment = os.environ | {"FAIRNESS_RUNS_DIR": str(tmp_path / "data" / "runs"), "SPACE_ID": "someone/fair-portraits"}
    with served(folder=checkout, environment=environment, within=WITHIN) as url:
        answering(url)
        client = Client(url, verbose=False)
        assert client.predict(api_name="/models")[0]["name"] == "mini"
        with pytest.raises(AppError, match="steps of finetuning, and 120 are left to you"):
            client.predict(PARITY, ["chef"], "Long", api_name="/finetune")
        job = client.predict(["nurse"], 2, api_name="/compare")
        assert job["state"] == "finished", job
    assert files(checkout) == before
    assert (tmp_path / "data" / "runs" / job["job_id"] / "comparisons.json").exists()


@pytest.mark.slow
def test_a_checkout_that_cannot_be_written_says_where_runs_can_go(checkout):
    environment = {name: value for name, value in os.environ.items() if name != "FAIRNESS_RUNS_DIR"}
    done = subprocess.run([*WITHIN, sys.executable, "app.py"], cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "set FAIRNESS_RUNS_DIR to a folder that can be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_are_kept_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRNESS_RUNS_DIR", str(tmp_path / "far" / "away"))
    assert runs_folder() == tmp_path / "far" / "away" and runs_folder().is_dir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("FAIRNESS_RUNS_DIR", str(tmp_path / "file" / "runs"))
    with pytest.raises(SystemExit, match="set FAIRNESS_RUNS_DIR"):
        runs_folder()


def test_uploads_are_smaller_where_many_share():
    assert launch_options()["max_file_size"] == "1024mb"
    assert launch_options(own_limits({"FAIRNESS_SHARED": "1"}))["max_file_size"] == "128mb"


def test_secrets_come_from_the_environment_alone():
    """No file of the project holds a token of the hub."""
    names = subprocess.run(["git", "grep", "-lIE", r"hf_[A-Za-z0-9]{30,}"], cwd=ROOT, capture_output=True, text=True)
    assert names.returncode == 1 and names.stdout == "", names.stdout + names.stderr


def test_the_first_look_is_drawn_once(tmp_path):
    """Its long texts, the recorded run's pictures among them, are kept for the next visitor; figures are not."""
    demo = build_app(fake_engine(), tmp_path / "runs", RECORDED)
    first, second = demo.first_look(), demo.first_look()
    demo.runner.close()
    assert "Recorded run" in first["origin"] and len(first["pairs"]) > 10_000
    assert first["pairs"] is second["pairs"] and first["table"] is second["table"]
    assert first["distribution"] is not second["distribution"]
