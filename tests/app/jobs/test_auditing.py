"""The audit of pictures made elsewhere as a job: queued, judged, kept, stopped, limited, told."""

import time
from dataclasses import replace

import pytest
from helpers.fake_engine import fake_engine
from helpers.fake_pictures import BLUE, RED, folder_of_pictures, picture, zipped
from helpers.jobs import wait

from app.html import judged as html
from app.html import run_record
from app.html.render import history_entry, status, status_record
from app.jobs.auditing import AuditAsked, download_paths, judged_of, progress_of, progress_words
from app.jobs.files import AUDIT, JobError, JobRequest
from app.jobs.limits import Cost, LimitError, Limits, cost
from app.jobs.runner import JobRunner
from app.jobs.visitors import Visitors
from app.targets.sliders import target_words
from fairness_core.pictures.limits import PicturesError
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.ratios import TargetError

PARITY = FinetuneConfig(marginals={"gender": {"female": .5, "male": .5}})


@pytest.fixture
def pictures(tmp_path):
    return folder_of_pictures(tmp_path / "mine", {"nurse": [RED] * 30, "judge": [BLUE] * 30})


def test_pictures_are_judged_kept_and_told(make, pictures):
    runner = make()
    view = wait(runner, runner.audit(AuditAsked((str(pictures),)), PARITY), "finished")
    judged = judged_of(view)
    assert (judged.pictures, judged.faces_found, view.request.images, len(view.comparisons)) == (60, 60, 60, 0)
    assert all(path.stat().st_size for path in download_paths(view)) and progress_of(view).done <= 60
    assert progress_words(view) == "Finished: 60 pictures looked at." and "Finished" in status(view)
    assert status_record(view)["message"] == progress_words(view) and status_record(view)["kind"] == AUDIT
    [line] = runner.history()
    assert history_entry(line, {})["what"] == "Audit of pictures" and "50 % Female" in history_entry(line, {})["target"]
    assert "judged by" in run_record.about(view) and "learning" not in run_record.about(view) and run_record.again(view) == ""
    told = html.told(judged, PARITY.target(), target_words(PARITY))
    assert "role=\"alert\"" in told and "60 of these 60 pictures" in told and "Not yet" in told
    assert html.cards(judged.prompts[0], ["gender"]).count("<button") == 24 and "judge/00.png" in html.cards(judged.prompts[0], [])
    assert "Perceived gender" in html.table(judged, PARITY.target())


def test_an_audit_waits_its_turn_and_stops_with_what_it_has(make, pictures):
    runner = make(seconds=.3)
    first, second = (runner.audit(AuditAsked((str(pictures),)), PARITY) for _ in range(2))
    assert runner.view(second).position == 1 and "Waiting: number 1" in progress_words(runner.view(second))
    end = time.monotonic() + 30
    while progress_of(runner.view(first)).done < 16:
        assert time.monotonic() < end
        time.sleep(.02)
    runner.stop(second)
    runner.stop(first)
    view = wait(runner, first, "stopped")
    assert 0 < judged_of(view).pictures <= 60 and "what was judged is kept" in progress_words(view)
    assert judged_of(runner.view(second)) is None and "Cancelled" in progress_words(runner.view(second))


@pytest.mark.parametrize(("asked", "config", "error", "says"), [
    ({"files": ()}, PARITY, PicturesError, "no picture"), ({"judge": "nobody"}, PARITY, PicturesError, "Unknown classifier"),
    ({"judge": "critics"}, PARITY, PicturesError, "not set up here"), ({"faces": "x"}, PARITY, PicturesError, "Choose faces"),
    ({"prompts_from": "x"}, PARITY, PicturesError, "where prompts come from"),
    ({}, FinetuneConfig(), TargetError, "at least one attribute"), ({"files": ("/gone.png",)}, PARITY, PicturesError, "no /gone.png")])
def test_what_cannot_be_audited_starts_nothing(make, pictures, monkeypatch, asked, config, error, says):
    monkeypatch.delenv("FAIRNESS_CRITICS", raising=False)
    runner = make()
    with pytest.raises(error, match=says):
        runner.audit(replace(AuditAsked((str(pictures),)), **asked), config)
    assert runner.history() == [] and not [p for p in runner.runs_root.iterdir() if p.is_dir()]


def test_pictures_that_cannot_be_read_are_a_failure_in_words(make, tmp_path):
    runner = make()
    path = zipped(tmp_path / "bad.zip", {"x.png": b"not a picture"})
    view = wait(runner, runner.audit(AuditAsked((str(path),)), PARITY), "failed")
    assert "None of the pictures could be judged" in view.failure.what and view.failure.log == "" or "x.png" in view.failure.what


def test_a_shared_space_counts_every_picture(tmp_path, pictures):
    assert cost(JobRequest(AUDIT, PARITY, (), images=60)) == Cost(images=60)
    limits = Limits(minutes=60, steps=9, images=50, jobs=2, queue=9, sampling_steps=20, images_per_prompt=8, upload_megabytes=1)
    visitors = Visitors(limits)
    runner = JobRunner(fake_engine(.01), tmp_path / "runs", tmp_path / "none", visitors)
    try:
        from types import SimpleNamespace

        from gradio.context import LocalContext
        token = LocalContext.request.set(SimpleNamespace(headers={}, client=SimpleNamespace(host="8.8.8.8")))
        try:
            with pytest.raises(LimitError, match="60 images, and 50 are left"):
                runner.audit(AuditAsked((str(pictures),)), PARITY)
            assert not [p for p in (tmp_path / "runs").iterdir() if p.is_dir()]
            one = picture(tmp_path / "one.png")
            job_id = runner.audit(AuditAsked((str(one),)), PARITY)
            LocalContext.request.set(SimpleNamespace(headers={}, client=SimpleNamespace(host="9.9.9.9")))
            with pytest.raises(JobError, match="not yours"):
                runner.delete(job_id)
        finally:
            LocalContext.request.reset(token)
    finally:
        runner.close()
