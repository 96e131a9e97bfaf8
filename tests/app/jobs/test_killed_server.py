"""A server killed in the middle of a run: the next one offers its last checkpoint, and goes on from there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from helpers.fake_engine import fake_engine
from helpers.jobs import wait

from app.html import render
from app.jobs.runner import JobRunner
from fairness_core import runs

SERVER = """
import sys
from pathlib import Path
from helpers.fake_engine import fake_engine
from helpers.jobs import request
from app.jobs.runner import JobRunner
runner = JobRunner(fake_engine(.05), Path(sys.argv[1]), Path(sys.argv[1]) / "none")
runner.submit(request(steps=400))
runner.submit(request("waiting", steps=3))
runner.thread.join()
"""


def test_killed_and_started_again(tmp_path):
    tests = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{tests}:{tests.parent}"}
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path / "runs")], env=environment)
    try:
        end = time.monotonic() + 60
        while not (job := next((p.parent for p in tmp_path.glob("runs/*/events.jsonl")
                                if len(p.read_text(encoding="utf-8").splitlines()) > 8), None)):
            assert time.monotonic() < end and server.poll() is None
            time.sleep(.05)
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    runner = JobRunner(fake_engine(.005), tmp_path / "runs", tmp_path / "none")
    try:
        first, second = sorted(runner.left_behind(), key=lambda view: -view.step)
        assert first.job_id == job.name and first.adapter.exists() and first.step >= 2 and second.adapter is None
        offer = render.offer([first])
        assert f'href="?job={job.name}"' in offer and f"step {first.saved_step} of 400" in offer
        assert "last checkpoint can be used" in render.status_words(first)
        runner.go_on(job.name)
        while runner.view(job.name).step <= first.step:
            time.sleep(.01)
        runner.stop(job.name)
        view = wait(runner, job.name, "stopped")
        assert [s.step for s in view.steps] == list(range(1, view.step + 1))
        assert view.first_step >= first.saved_step > 0, "it went on from what was promised, it did not start over"
        assert runs.load_comparisons(runs.RunFolder(view.folder))
        assert [v.job_id for v in runner.left_behind()] == [second.job_id]
    finally:
        runner.close()
