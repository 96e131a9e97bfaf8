"""What Continue promises is what was saved: a server that is asked to end saves first, one that is killed says what is lost."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.fake_engine import fake_engine
from helpers.jobs import request, wait

from app.html import render
from app.jobs.files import INTERRUPTED, Job, now, save_state, view_of
from app.jobs.runner import JobRunner
from fairness_core import runs
from fairness_core.events import Finished, Saved, Started, StepDone

SERVER = """
import app.launch
from helpers.fake_engine import fake_engine
from helpers.jobs import request
build = app.launch.build_app
def with_a_run(*arguments):
    demo = build(*arguments)
    demo.runner.submit(request(steps=4000))
    return demo
app.launch.build_app = with_a_run
app.launch.launch(fake_engine(.05))
"""


def done(step: int) -> StepDone:
    return StepDone(step, 60, .1, "a nurse", {"total": 1.0}, {"gender": .3}, 4, 4, "")


def broken_off(folder: runs.RunFolder, *events):
    return view_of("a-run", request(steps=60), INTERRUPTED, now(), folder, [Started(0, 60), *events], [])


def test_what_is_promised_is_what_was_saved(tmp_path):
    folder = runs.RunFolder(tmp_path)
    folder.adapter.parent.mkdir()
    folder.adapter.touch()
    steps = [done(i) for i in range(1, 25)]
    view = broken_off(folder, *steps[:20], Saved(20, folder.adapter), *steps[20:])
    assert (view.step, view.saved_step) == (24, 20)
    told = render.status_words(view)
    assert "at step 24 of 60" in told and "of step 20, 4 steps before that. Press Continue to go on from there" in told
    assert "step 20 of 60" in render.offer([view])
    stopped = broken_off(folder, *steps, Finished(24, "stopped", folder.adapter))
    assert "of step 24. Press Continue" in render.status_words(stopped)


def test_a_checkpoint_that_is_kept_afterwards_has_the_step_that_was_saved(make, tmp_path):
    folder = runs.run_path(tmp_path / "runs", "20200101-000000-abcdef")
    job = Job(folder.path.name, request(steps=60), now(), folder, state=INTERRUPTED)
    runs.save_config(folder, job.request.config)
    folder.adapter.parent.mkdir()
    folder.adapter.touch()
    for event in (Started(0, 60), *(done(i) for i in range(1, 5)), Saved(4, folder.adapter), done(5)):
        runs.append_event(folder, event)
    save_state(job)
    runner = make()
    runner.keep(job.job_id, "before it broke off")
    assert [line.request.config.steps for line in runner.history() if line.request.name] == [4]


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_asked_to_end_saves_the_step_at_work(asked, tmp_path):
    tests = Path(__file__).parents[2]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": f"{tests}:{tests.parent}", "FAIRNESS_RUNS_DIR": str(tmp_path / "runs"),
                                "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    server = subprocess.Popen([sys.executable, "-c", SERVER], env=environment)
    try:
        end = time.monotonic() + 60
        while not any(len(path.read_text(encoding="utf-8").splitlines()) > 8 for path in tmp_path.glob("runs/*/events.jsonl")):
            assert time.monotonic() < end and server.poll() is None
            time.sleep(.05)
        server.send_signal(asked)
        server.wait(timeout=30)
    finally:
        server.kill()
        server.wait()
    runner = JobRunner(fake_engine(.005), tmp_path / "runs", tmp_path / "none")
    try:
        [view] = [runner.view(line.job_id) for line in runner.history()]
        assert view.state == INTERRUPTED and view.step == view.saved_step > 0
        runner.go_on(view.job_id)
        while runner.view(view.job_id).step <= view.step:
            time.sleep(.01)
        runner.stop(view.job_id)
        assert wait(runner, view.job_id, "stopped").first_step == view.step
    finally:
        runner.close()
