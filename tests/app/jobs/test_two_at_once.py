"""Two visitors, or two tabs, at the same moment: both start, and a run that goes away takes no other one with it."""

import threading
import time

from helpers.jobs import request, wait

from app.jobs.files import JobRequest
from app.rooms.desk import Desk


def comparison_of(run, prompts=("a photo of a chef",)) -> JobRequest:
    return JobRequest("compare", run.request.config, prompts, images=2, source=run.job_id)


def test_two_tabs_that_start_at_once_have_a_run_each(make):
    runner, ids, together = make(), [], threading.Barrier(8)

    def start(name: str) -> None:
        together.wait(30)
        ids.append(runner.submit(request(name, steps=2)))
    tabs = [threading.Thread(target=start, args=(f"prompt {i}",)) for i in range(8)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join(60)
    assert len(set(ids)) == 8
    asked = {wait(runner, job_id, "finished").request.config.prompts for job_id in ids}
    assert asked == {(f"prompt {i}",) for i in range(8)}


def test_a_run_deleted_before_its_comparison_starts_is_told_of(make):
    runner = make(.05)
    run = wait(runner, runner.submit(request(steps=1)), "finished")
    busy = runner.submit(request("busy", steps=200))
    compared = runner.submit(comparison_of(run))
    runner.delete(run.job_id)
    for _ in range(2):
        runner.stop(busy)
    failure = wait(runner, compared, "failed").failure
    assert failure.what == f"There is no run {run.job_id}: it may have been removed. Start a new one."
    wait(runner, runner.submit(request(steps=1)), "finished")


def test_a_run_deleted_while_it_is_compared_leaves_the_comparison(make):
    runner = make(.1)
    run = wait(runner, runner.submit(request(steps=1)), "finished")
    compared = runner.submit(comparison_of(run, tuple(f"prompt {i}" for i in range(6))))
    while not runner.view(compared).comparisons:
        time.sleep(.01)
    runner.delete(run.job_id)
    view = wait(runner, compared, "finished")
    assert len(view.comparisons) == 6 and view.adapter is None
    desk = Desk(runner)
    assert desk.shown(view) is view and desk.source_of(view) is None
