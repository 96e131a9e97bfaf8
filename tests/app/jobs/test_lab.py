"""The gradient lab's job: points on the disk as they come."""

import json
import time

import numpy as np
import pytest
from helpers.fake_engine import fake_engine

from app.jobs.files import Job, JobRequest
from app.jobs.lab import LAB, expected_points, lab_settings, load_points, run_lab
from app.jobs.runner import JobRunner
from app.rooms.desk import Desk
from app.rooms.lab import LabRoom
from fairness_core.gradient_lab.points import LossPoint, ScalePoint
from fairness_core.gradient_lab.summary import loss_sentence, scale_sentence
from fairness_core.runs import RunFolder
from fairness_core.settings.config import FinetuneConfig

REQUEST = JobRequest(LAB, FinetuneConfig(steps=4), ("a nurse", "a judge"), images=2)


def runner_on(tmp_path, seconds: float) -> JobRunner:
    return JobRunner(fake_engine(seconds), tmp_path / "runs", tmp_path / "recorded")


def test_every_point_is_measured_and_read_again(tmp_path):
    runner = runner_on(tmp_path, 0)
    job_id, end = runner.submit(REQUEST), time.monotonic() + 30
    while runner.view(job_id).is_active:
        assert time.monotonic() < end
        time.sleep(.02)
    view = runner.view(job_id)
    losses, scales = load_points(view.folder)
    assert view.state == "finished" and len(losses) + len(scales) == expected_points(lab_settings(REQUEST))
    assert "adjusted gradient ended lowest" in loss_sentence(losses) and "naive" in scale_sentence(scales)
    assert isinstance(scales[0].scales["naive"], np.ndarray)
    runner.close()


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    (tmp_path / "lab.jsonl").write_text('{"gradient": "naive", "run": 0, "step": 0, "loss": 1.0}\n{"gradient": "na',
                                        encoding="utf-8")
    assert len(load_points(tmp_path)[0]) == 1
    assert load_points(tmp_path / "nowhere") == ([], [])


def test_a_loss_that_left_the_finite_numbers_is_json_for_every_reader(tmp_path):
    points = [LossPoint("naive", 0, 1, float("nan")), ScalePoint(0, np.array([900, 500]), {"naive": np.array([np.inf, 1.])})]
    run_lab(lambda *_: iter(points), None, Job("lab", REQUEST, "", RunFolder(tmp_path)), lambda: False)
    lines = (tmp_path / "lab.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0], parse_constant=pytest.fail)["loss"] is None and "Infinity" not in lines[1]
    [loss], [scale] = load_points(tmp_path)
    assert np.isnan(loss.loss) and np.isnan(scale.scales["naive"][0]) and scale.scales["naive"][1] == 1


def test_stop_keeps_what_was_measured(tmp_path):
    runner = runner_on(tmp_path, .05)
    job_id, end = runner.submit(REQUEST), time.monotonic() + 30
    while len(load_points(runner.view(job_id).folder)[0]) < 2:
        assert time.monotonic() < end
        time.sleep(.02)
    runner.stop(job_id)
    while runner.view(job_id).is_active:
        time.sleep(.02)
    losses, _ = load_points(runner.view(job_id).folder)
    assert runner.view(job_id).state == "stopped" and 2 <= len(losses) < 30
    runner.close()


@pytest.mark.parametrize(("changed", "words"), [({"lab_prompt": ""}, "No concept"), ({"lab_steps": None}, "Updates")])
def test_bad_input_is_told(tmp_path, changed, words):
    runner = runner_on(tmp_path, 0)
    values = {"lab_prompt": "nurse", "lab_target": "judge", "lab_steps": 3} | changed
    assert words in LabRoom(Desk(runner)).start(values)["lab_status"]
    runner.close()
