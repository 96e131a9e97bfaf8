"""A run may be renamed at any moment, be it the one in which its worker writes: neither undoes what the other wrote."""

import json
import threading

from helpers.jobs import request, wait

from app.jobs import files
from app.jobs.files import STATE_FILE


def on_disk(runner, job_id: str) -> dict:
    return json.loads((runner.runs_root / job_id / STATE_FILE).read_text(encoding="utf-8"))


def test_a_name_given_while_the_worker_writes_is_not_overwritten(make, monkeypatch):
    runner, write_json = make(.05), files.write_json
    writing, renamed, written = (threading.Event() for _ in range(3))

    def slow(path, data):
        at_work = data["state"] == "running" and not writing.is_set()
        if at_work:
            writing.set()
            renamed.wait(1)
        write_json(path, data)
        if at_work:
            written.set()
    monkeypatch.setattr(files, "write_json", slow)
    job_id = runner.submit(request(steps=200))
    assert writing.wait(30)
    runner.rename(job_id, "judges first")
    renamed.set()
    assert written.wait(30)
    told = on_disk(runner, job_id)
    assert (told["state"], told["request"]["name"]) == ("running", "judges first")
    runner.stop(job_id)
    runner.stop(job_id)
    wait(runner, job_id, "stopped")
    assert on_disk(runner, job_id)["request"]["name"] == "judges first"


def test_a_name_given_when_a_run_ends_does_not_bring_back_its_earlier_state(make, monkeypatch):
    runner = make(.02)
    job_id = runner.submit(request(steps=2))
    monkeypatch.setattr(runner.visitors, "check_own", lambda _: wait(runner, job_id, "finished"))
    runner.rename(job_id, "judges first")
    told = on_disk(runner, job_id)
    assert (told["state"], told["request"]["name"]) == ("finished", "judges first")
    assert runner.view(job_id).state == "finished"
