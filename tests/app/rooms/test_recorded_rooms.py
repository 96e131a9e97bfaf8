"""What two rooms show before anybody asks: what ships with the app, labelled so; and the panel's prompts where nothing does."""

import shutil

import pytest
from helpers.jobs import request, wait

from app.jobs.files import JobRequest
from app.jobs.lab import POINTS_FILE
from app.jobs.store import LAB_FOLDER, PANEL_FOLDER
from app.rooms.desk import Desk
from app.rooms.lab import LabRoom
from app.rooms.must_not_move import MustNotMoveRoom, moved_table, panel_request
from fairness_core.about import About
from fairness_core.metrics.must_not_move import load_panel
from fairness_core.runs import RunFolder, save_about


@pytest.fixture
def desk(make, tmp_path):
    """Of a server with a recorded run, its panel, and a recorded measurement."""
    runner, recorded = make(.001), tmp_path / "recorded"
    view = wait(runner, runner.submit(request()), "finished")
    panel = wait(runner, runner.submit(panel_request(view)), "finished")
    lab = wait(runner, runner.submit(JobRequest("lab", request(steps=2).config, ("a nurse", "a judge"), images=3)), "finished")
    kept = shutil.ignore_patterns("job.json", "log.txt", "config.yaml")
    shutil.copytree(view.folder, recorded / "mini-short", ignore=shutil.ignore_patterns("job.json", "log.txt"))
    shutil.copytree(panel.folder, recorded / "mini-short" / PANEL_FOLDER, ignore=kept)
    shutil.copytree(lab.folder, recorded / LAB_FOLDER, ignore=kept)
    assert (recorded / LAB_FOLDER / POINTS_FILE).exists()
    save_about(RunFolder(recorded / LAB_FOLDER), About("a nurse pulled toward a judge", recorded=True, machine="a laptop", date="2025-11-02"))
    return Desk(make(root=tmp_path / "mine", recorded=recorded))


def drawn(room, values: dict) -> dict:
    """When the tab is opened."""
    return {name: str(piece.draw()) for name, piece in room.pieces(None, values).items()}


def test_the_recorded_runs_panel_is_shown_as_recorded(desk):
    shown = drawn(MustNotMoveRoom(desk), {"check_id": "mini-short", "check_prompt": None})
    assert "Recorded with this run, made by this code" in shown["check_status"]
    assert shown["moved"].count("<tr>") == len(load_panel()) + 1 and "class=\"pair\"" in shown["check_pairs"]
    found = MustNotMoveRoom(desk).find({"check_id": "", "check_prompt": None, "job_id": "", "seen": {}})
    assert found["check_id"] == "mini-short" and list(desk.runner.store.recorded_runs) == ["mini-short"], "no run of its own"


def test_the_recorded_measurement_is_shown_as_recorded(desk):
    shown = drawn(LabRoom(desk), {"lab_id": LAB_FOLDER})
    assert "Recorded, made by this code on a laptop, 2025-11-02: a nurse pulled toward a judge" in shown["lab_status"]
    assert "ended lowest" in shown["lab_losses_words"]
    assert LabRoom(desk).find({"lab_id": "", "job_id": "", "seen": {}})["lab_id"] == LAB_FOLDER


def test_the_panels_prompts_are_listed_before_they_are_painted():
    told = moved_table(())
    assert "Not painted yet" in told and told.count("<li>") == len(load_panel())
    assert "“female nurse”" in told and "Female" in told and "no person" in told
