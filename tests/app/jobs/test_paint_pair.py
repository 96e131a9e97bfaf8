"""One pair at another strength, at once: while nothing else is at work, and within what a visitor may ask for."""

from dataclasses import replace

import pytest
from helpers.fake_engine import Pace, fake_engine
from helpers.jobs import request, wait, wait_for_step

from app.jobs import visitors
from app.jobs.files import JobError
from app.jobs.limits import LimitError, Limits
from app.jobs.runner import JobRunner
from app.jobs.visitors import Visitors

PROMPT = "a photo of a chef"


def test_it_is_painted_by_the_runs_adapter_and_timed(make, recorder):
    runner = make()
    view = wait(runner, runner.submit(request()), "finished")
    pair = runner.paint_pair(view, PROMPT, 3, .5)
    assert pair.tuned.numbers == (3,) and recorder.compared[-1]["strength"] == .5
    assert runner.paces.of_pair(view.request.config) > 0
    assert len(runner.history()) == 1, "it is no run of its own"
    again = wait(runner, runner.submit(replace(view.request, kind="compare", source=view.job_id, strength=.8)), "finished")
    assert runner.paint_pair(again, PROMPT, 0, 1.2).tuned.numbers == (0,)


def test_a_run_at_work_is_not_disturbed(tmp_path, monkeypatch):
    monkeypatch.setattr("app.jobs.turn.WAITING_SECONDS", .05)
    pace = Pace(hold=3)
    runner = JobRunner(fake_engine(.01, pace=pace), tmp_path / "runs", tmp_path / "none")
    try:
        job_id = runner.submit(request(steps=6))
        wait_for_step(runner, job_id, 2)
        with pytest.raises(JobError, match="A run is at work"):
            runner.paint_pair(runner.view(job_id), PROMPT, 0, .5)
        pace.go()
        view = wait(runner, job_id, "finished")
        with pytest.raises(JobError, match="no adapter yet"):
            runner.paint_pair(replace(view, adapter=None), PROMPT, 0, .5)
        assert runner.paint_pair(view, PROMPT, 0, .5)
    finally:
        runner.close()


def test_what_a_visitor_may_paint_is_counted(tmp_path, monkeypatch):
    limits = Limits(minutes=60, steps=100, images=39, jobs=2, queue=4, sampling_steps=50, images_per_prompt=16, upload_megabytes=1)
    runner = JobRunner(fake_engine(.001), tmp_path / "runs", tmp_path / "none", Visitors(limits))
    try:
        view = wait(runner, runner.submit(request()), "finished")  # asked for by the server itself
        monkeypatch.setattr(visitors, "current_visitor", lambda: "a visitor")
        for number in range(19):
            runner.paint_pair(view, PROMPT, number % 4, .5)
        with pytest.raises(LimitError, match="1 are left to you"):
            runner.paint_pair(view, PROMPT, 0, .5)
    finally:
        runner.close()
