"""A disk that is full in the middle of a run: told so, in nobody's way, and mended by deleting the run or making room."""

import errno

import pytest
from helpers.jobs import request, wait

from app.jobs import runner as jobs
from app.jobs import work
from app.jobs.limits import Limits
from app.jobs.visitors import Visitors
from fairness_core import runs


@pytest.fixture
def full(monkeypatch):
    """Fills the disk in the middle of a run; calling it makes room."""
    room = pytest.MonkeyPatch()

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(*_):
        room.setattr(jobs, "save_state", refuse)
        room.setattr(runs, "append_event", refuse)
        refuse()
    room.setattr(work, "save_state", fill)
    yield room.undo
    room.undo()


@pytest.fixture
def stuck(make, full):
    """A runner, and a run whose end could not be written."""
    runner = make()
    job_id = runner.submit(request())
    wait(runner, job_id, "failed")
    return runner, job_id


def test_it_is_told_and_the_run_can_be_deleted_to_make_room(stuck):
    runner, job_id = stuck
    view = runner.view(job_id)
    assert view.failure.what == "The disk is full." and "Remove old run folders" in view.failure.todo
    runner.delete(job_id)
    assert not view.folder.exists()
    with pytest.raises(jobs.JobError, match="There is no run"):
        runner.view(job_id)


def test_it_goes_on_once_there_is_room(stuck, full):
    runner, job_id = stuck
    full()
    runner.go_on(job_id)
    assert len(wait(runner, job_id, "finished").comparisons) == 2


def test_it_is_not_counted_among_the_runs_that_wait(stuck, full, monkeypatch):
    runner, job_id = stuck
    full()
    visitors = Visitors(Limits(minutes=60, steps=500, images=5000, jobs=1, queue=1, sampling_steps=20, images_per_prompt=8,
                               upload_megabytes=1))
    visitors.owners[job_id] = "8.8.8.8"
    monkeypatch.setattr("app.jobs.visitors.current_visitor", lambda: "8.8.8.8")
    runner.visitors = visitors
    wait(runner, runner.submit(request(steps=2)), "finished")
