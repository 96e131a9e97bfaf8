"""Who may do what with a run: every act of the runner, as who started it, as a stranger, and on one's own machine."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext
from helpers.fake_engine import fake_engine
from helpers.fake_pictures import picture
from helpers.jobs import lora, request, wait, wait_for_step

import app
from app.jobs.auditing import AuditAsked
from app.jobs.files import JobError, JobView
from app.jobs.limits import LimitError, Limits
from app.jobs.runner import JobRunner
from app.jobs.visitors import Visitors
from app.rooms.correcting import NO_FACE, correction

LIMITS = Limits(minutes=60, steps=500, images=5000, jobs=4, queue=9, sampling_steps=20, images_per_prompt=8,
                upload_megabytes=1)
OWNER, STRANGER = "203.0.113.7", "198.51.100.9"
CHANGES: dict[str, Callable[[JobRunner, JobView], object]] = {  # a run: for who started it
    "go_on": lambda runner, run: runner.go_on(run.job_id, 1),
    "keep": lambda runner, run: runner.keep(run.job_id, "kept"),
    "correct": lambda runner, run: runner.correct(run.job_id, [correction(run.comparisons[0].prompt, "tuned", 0, NO_FACE)]),
    "publish": lambda runner, run: runner.publish(run.job_id, "me/mine", "hf_x", True),
    "rename": lambda runner, run: runner.rename(run.job_id, "mine"),
    "stop": lambda runner, run: runner.stop(run.job_id),
    "delete": lambda runner, run: runner.delete(run.job_id)}
STARTS: dict[str, Callable[[JobRunner, JobView], object]] = {  # a run of one's own, from someone else's
    "submit": lambda runner, run: runner.submit(replace(request(), kind="compare", source=run.job_id, extends=run.job_id,
                                                        images=6, strength=.5)),
    "bring": lambda runner, run: runner.bring(lora(run.folder.parent.parent / "found.safetensors"),
                                              replace(request(), kind="adapter")),
    "audit": lambda runner, run: runner.audit(AuditAsked((str(picture(run.folder.parent.parent / "one.png")),)), run.request.config)}
LOOKS = {"view": lambda runner, run: runner.view(run.job_id), "history": lambda runner, run: runner.history(),
         "paint_pair": lambda runner, run: runner.paint_pair(run, run.comparisons[0].prompt, 0, .5),
         "left_behind": lambda runner, run: runner.left_behind(), "recorded": lambda runner, run: runner.recorded()}
OF_THE_SERVER = {"changing", "close", "enqueue", "queue_made", "work_off", "retire"}
WRITERS = {"save_corrections", "save_comparisons", "save_config", "save_about", "save_state", "append_event", "bundle", "push",
           "rmtree", "unlink", "write_text", "write_bytes"}


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A runner of a shared Space with the owner's finished run, and a way to be one visitor or another."""
    monkeypatch.setattr("fairness_core.runs.push", lambda *_: "https://hub.example/me/mine")
    runner = JobRunner(fake_engine(.01), tmp_path / "runs", tmp_path / "recorded", Visitors(LIMITS))
    token = LocalContext.request.set(None)

    def visit(address: str) -> JobRunner:
        LocalContext.request.set(SimpleNamespace(headers={}, client=SimpleNamespace(host=address)))
        return runner
    yield visit
    LocalContext.request.reset(token)
    runner.close()


@pytest.fixture
def run(shared) -> JobView:
    runner = shared(OWNER)
    return wait(runner, runner.submit(request()), "finished")


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_act_of_the_runner_is_in_a_table():
    public = {name for name, _ in inspect.getmembers(JobRunner, inspect.isfunction) if not name.startswith("_")}
    assert public == {*CHANGES, *STARTS, *LOOKS, *OF_THE_SERVER}, "say who may do it, and ask in JobRunner.changing"


@pytest.mark.parametrize("room", ["rooms", "endpoints"])
def test_pages_and_endpoints_change_runs_through_the_runner_alone(room):
    for path in (Path(app.__file__).parent / room).glob("*.py"):
        called = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        writes = [name for name in called if name.split(".")[-1] in WRITERS]
        assert not writes, f"{path.name} writes by itself: make it an act of the JobRunner"


@pytest.mark.parametrize("act", CHANGES)
def test_a_stranger_changes_nothing_and_does_not_become_the_owner(shared, run, act):
    before = files(run.folder)
    with pytest.raises(LimitError, match=f"Run {run.job_id} is not yours"):
        CHANGES[act](shared(STRANGER), run)
    assert files(run.folder) == before and shared(OWNER).live == {}
    with pytest.raises(LimitError, match="is not yours"):
        shared(STRANGER).delete(run.job_id)
    assert shared(STRANGER).history() == []


@pytest.mark.parametrize("act", CHANGES)
def test_the_owner_changes_the_run(shared, run, act):
    CHANGES[act](shared(OWNER), run)
    if act == "go_on":
        wait(shared(OWNER), run.job_id, "finished")
        shared(OWNER).delete(run.job_id)
        assert not run.folder.exists(), "whose run goes on stays its owner"


@pytest.mark.parametrize("act", {**STARTS, **LOOKS})
def test_a_stranger_looks_and_starts_from_it(shared, run, act):
    before = files(run.folder)
    made = {**STARTS, **LOOKS}[act](shared(STRANGER), run)
    if act in STARTS:
        wait(shared(STRANGER), made, "finished")
        shared(STRANGER).delete(made)
    assert files(run.folder) == before


@pytest.mark.parametrize("act", {**CHANGES, **STARTS, **LOOKS})
def test_at_home_everyone_may_do_everything(tmp_path, monkeypatch, shared, run, act):
    shared(OWNER).close()
    home = JobRunner(fake_engine(.01), tmp_path / "runs", tmp_path / "recorded")
    shared(STRANGER)
    monkeypatch.setattr("fairness_core.runs.push", lambda *_: "https://hub.example/me/mine")
    {**CHANGES, **STARTS, **LOOKS}[act](home, run)
    home.close()


@pytest.mark.parametrize("act", CHANGES)
def test_a_recorded_run_stays_as_it_is(tmp_path, run, act):
    recorded = tmp_path / "recorded" / run.job_id
    recorded.parent.mkdir()
    run.folder.rename(recorded)
    (recorded / "job.json").unlink()
    home, before = JobRunner(fake_engine(.01), tmp_path / "home", tmp_path / "recorded"), files(recorded)
    with pytest.raises(JobError, match="ships with the app and stays as it is"):
        CHANGES[act](home, run)
    assert files(recorded) == before
    home.close()


@pytest.mark.parametrize("act", ["stop", "keep", "correct", "delete"])
def test_a_stranger_does_not_touch_a_run_at_work(shared, act):
    runner = shared(OWNER)
    job_id = runner.submit(request(steps=200))
    wait_for_step(runner, job_id, 1)
    view = replace(runner.view(job_id), comparisons=(SimpleNamespace(prompt="x"),))
    with pytest.raises(LimitError, match="is not yours"):
        CHANGES[act](shared(STRANGER), view)
    assert runner.view(job_id).is_active and not runner.view(job_id).stopping
