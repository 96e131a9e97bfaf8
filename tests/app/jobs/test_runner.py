"""The queue, and jobs that outlive pages, errors and servers."""

import json
import shutil
import threading
import time
from dataclasses import replace

import pytest
from helpers.jobs import request, wait, wait_for_phase, wait_for_step

from app.jobs.files import JobError, JobRequest
from fairness_core import runs


def test_a_finetune_is_compared_and_kept(make):
    runner = make()
    view = wait(runner, runner.submit(request()), "finished")
    assert [s.step for s in view.steps] == [1, 2, 3, 4]
    assert [c.held_out for c in view.comparisons] == [False, True]
    assert view.adapter.exists() and (view.folder / f"{view.job_id}.zip").exists()
    assert runner.live == {}


def test_another_server_reads_the_same_run(make, tmp_path):
    first = make()
    job_id = first.submit(request())
    view = wait(first, job_id, "finished")
    again = make(root=tmp_path / "runs").view(job_id)
    assert (again.state, again.request, again.steps) == (view.state, view.request, view.steps)
    assert len(again.film) == len(view.film)


def test_one_at_a_time_in_order(make, recorder):
    runner = make(.03)
    ids = [runner.submit(request(f"prompt {i}")) for i in range(3)]
    wait_for_step(runner, ids[0], 1)
    assert [runner.view(i).position for i in ids] == [0, 1, 2]
    assert runner.view(ids[1]).state == "queued"
    wait(runner, ids[2], "finished")
    assert recorder.trained == ["prompt 0", "prompt 1", "prompt 2"]


def test_cancel_while_queued(make, recorder):
    runner = make(.03)
    first, second = runner.submit(request("first")), runner.submit(request("second"))
    runner.stop(second)
    assert runner.view(second).state == "cancelled"
    wait(runner, first, "finished")
    assert recorder.trained == ["first"]


def test_stop_keeps_what_was_learned_and_compares_it(make):
    runner = make(.05)
    job_id = runner.submit(request(steps=200))
    wait_for_step(runner, job_id, 2)
    at = runner.view(job_id).step
    runner.stop(job_id)
    view = wait(runner, job_id, "stopped")
    assert at <= view.step <= at + 2
    assert view.adapter.exists() and len(view.comparisons) == 2


def test_a_second_stop_ends_the_comparison(make):
    runner = make(.2)
    job_id = runner.submit(request(steps=1))
    wait_for_step(runner, job_id, 1)
    while runner.view(job_id).phase != "comparing":
        time.sleep(.01)
    runner.stop(job_id)
    assert len(wait(runner, job_id, "stopped").comparisons) < 2


def test_closing_the_server_ends_a_comparison_which_can_be_finished_later(make, tmp_path):
    runner = make(.2)
    job_id = runner.submit(replace(request(steps=1), compare_prompts=tuple(f"prompt {i}" for i in range(50))))
    wait_for_phase(runner, job_id, "comparing")
    runner.close()
    assert not runner.thread.is_alive()
    again = make(root=tmp_path / "runs")
    view = again.view(job_id)
    assert view.state == "interrupted" and view.step == 1 and len(view.comparisons) < 50 and view.can_resume
    again.go_on(job_id)
    assert len(wait(again, job_id, "finished").comparisons) == 50


@pytest.mark.parametrize("kind", ["compare", "lab"])
def test_closing_the_server_ends_any_work(make, kind):
    runner = make(.1)
    asked = replace(request(steps=99), kind=kind, compare_prompts=("one", "two") if kind == "lab" else ("one",) * 50)
    job_id = runner.submit(asked)
    while runner.view(job_id).state == "queued":
        time.sleep(.01)
    runner.close()
    assert not runner.thread.is_alive() and runner.view(job_id).state == "interrupted"


def test_a_run_is_not_continued_while_it_is_deleted(make, monkeypatch):
    runner = make()
    job_id = runner.submit(request())
    wait(runner, job_id, "finished")
    refused, remove = [], shutil.rmtree
    other = threading.Thread(target=lambda: refused.append(pytest.raises(JobError, runner.go_on, job_id, 2)))

    def remove_meanwhile(path):
        other.start()
        other.join(.2)  # time enough to come in between
        remove(path)
    monkeypatch.setattr("app.jobs.runner.shutil.rmtree", remove_meanwhile)
    runner.delete(job_id)
    other.join(20)
    assert "no run" in str(refused[0].value) and not (runner.runs_root / job_id).exists() and runner.live == {}


def test_a_failure_is_told_and_the_next_job_runs(make):
    runner = make()
    bad, good = runner.submit(request("explode")), runner.submit(request("fine"))
    view = wait(runner, bad, "failed")
    assert "the gradient left the building" in view.failure.what
    assert "RuntimeError" in view.failure.log and view.failure.todo
    wait(runner, good, "finished")


def test_resume_after_a_kill(make, tmp_path):
    first = make(.05)
    job_id = first.submit(request(steps=100))
    wait_for_step(first, job_id, 5)
    first.close()
    path = tmp_path / "runs" / job_id / "job.json"  # a killed server writes no last word
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"state": "running"}), encoding="utf-8")
    second = make(root=tmp_path / "runs")
    view = second.view(job_id)
    assert view.state == "interrupted" and view.can_resume and view.adapter is not None
    second.go_on(job_id)
    wait_for_step(second, job_id, view.step + 1)
    second.stop(job_id)
    steps = [s.step for s in wait(second, job_id, "stopped").steps]
    assert steps == list(range(1, len(steps) + 1))


def test_continue_adds_steps_to_the_same_run(make):
    runner = make()
    job_id = runner.submit(request(steps=3))
    wait(runner, job_id, "finished")
    assert runner.go_on(job_id, 2) == job_id
    view = wait(runner, job_id, "finished")
    assert [s.step for s in view.steps] == [1, 2, 3, 4, 5] and view.total_steps == 5


def test_nothing_to_continue(make):
    runner = make()
    job_id = runner.submit(request())
    with pytest.raises(JobError, match="nothing to continue"):
        runner.go_on(job_id)


def test_comparing_again_uses_the_source_run(make, recorder):
    runner = make()
    source = runner.submit(request())
    wait(runner, source, "finished")
    again = JobRequest("compare", runner.view(source).request.config, ("a photo of a judge",), 6, strength=.5,
                       source=source)
    view = wait(runner, runner.submit(again), "finished")
    assert view.source == source and len(view.comparisons[0].original.numbers) == 6
    assert recorder.compared[-1]["strength"] == .5


@pytest.mark.parametrize("job_id", ["../../etc", "20200101-000000-abcdef", "", "a/b", "x" * 100, "..", "%2e%2e"])
def test_ids_that_are_none(make, job_id):
    with pytest.raises(JobError):
        make().view(job_id)


def test_a_source_without_adapter_is_refused(make):
    runner = make(.05)
    waiting = runner.submit(request())
    with pytest.raises(JobError, match="no adapter yet"):
        runner.submit(JobRequest("compare", request().config, ("x",), source=waiting))


def test_history_newest_first_without_damaged_runs(make, tmp_path):
    runner = make()
    done = runner.submit(request())
    wait(runner, done, "finished")
    damaged = tmp_path / "runs" / "damaged"
    damaged.mkdir()
    (damaged / "job.json").write_text("{", encoding="utf-8")
    assert [(line.job_id, line.state, line.step) for line in runner.history()] == [(done, "finished", 4)]


def test_the_first_recorded_run_is_shown_and_every_one_is_found_by_id(make, tmp_path):
    runner = make()
    done = wait(runner, runner.submit(request()), "finished")
    for name in ("run-1", "run-2"):
        (tmp_path / "recorded").mkdir(exist_ok=True)
        target = tmp_path / "recorded" / name
        target.mkdir()
        for path in done.folder.rglob("*"):
            if path.is_file() and path.name not in ("job.json", "log.txt"):
                copy = target / path.relative_to(done.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    other = make(root=tmp_path / "others", recorded=tmp_path / "recorded")
    view = other.recorded()
    assert view.job_id == "run-1" and view.recorded and list(other.store.recorded_runs) == ["run-1", "run-2"]
    assert len(view.comparisons) == 2
    assert other.view("run-2").adapter == runs.RunFolder(tmp_path / "recorded" / "run-2").adapter
    second = runs.RunFolder(tmp_path / "recorded" / "run-2")
    runs.save_about(second, replace(runs.read_about(second), seen_first=True))
    assert make(root=tmp_path / "more", recorded=tmp_path / "recorded").recorded().job_id == "run-2"
    assert not view.can_extend and not view.can_resume


def test_no_recorded_run(make):
    assert make().recorded() is None
