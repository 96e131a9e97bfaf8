"""Work on ZeroGPU, on a double of its package that forks, kills and refuses as it does."""

import sys
import time
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.fake_engine import FakeModel, fake_engine
from helpers.jobs import request, wait, wait_for_step

from app.jobs.files import NOTICE
from app.jobs.runner import JobRunner
from app.zero_gpu import Deadline, GpuError, ZeroGpu, is_here
from fairness_core.events import Finished, Saved, Started, StepDone

CONFIG = replace(request(steps=12).config, checkpoint_every=100)


@pytest.fixture
def spaces(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "helpers" / "fake_spaces")
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    import spaces
    yield spaces
    sys.modules.pop("spaces")


def zero_gpu(spaces, seconds: float = 2, work_seconds: float = 1, step_seconds: float = .2) -> ZeroGpu:
    """On the engine double, whose model says on which device it is."""
    engine = replace(fake_engine(step_seconds), load_model=lambda name, device="gpu": FakeModel(name, str(device)))
    return ZeroGpu(engine, spaces.GPU, seconds, work_seconds)


def finetuned(zero: ZeroGpu, folder: Path, **more) -> list:
    engine = zero.as_engine()
    return list(engine.finetune(engine.load_model("mini"), CONFIG, folder, **more))


def test_a_finetune_goes_on_from_loan_to_loan(spaces, tmp_path):
    events = finetuned(zero_gpu(spaces), tmp_path)
    assert len(spaces.LENT) >= 3 and len({pid for pid, _ in spaces.LENT}) == len(spaces.LENT)
    assert [e.step for e in events if isinstance(e, StepDone)] == list(range(1, 13))
    assert [e.first_step for e in events if isinstance(e, Started)] == [0], "the page sees one run"
    assert [e.reason for e in events if isinstance(e, Finished)] == ["completed"]
    assert any(isinstance(e, Saved) for e in events), "each loan ends with a checkpoint"


def test_work_that_is_killed_is_done_again_from_the_checkpoint(spaces, tmp_path):
    """This one fills its time to the last: every loan is killed while it works."""
    zero = zero_gpu(spaces, seconds=1.1, work_seconds=100)
    engine = zero.as_engine()
    config = replace(CONFIG, checkpoint_every=1, steps=6)
    events = list(engine.finetune(engine.load_model("mini"), config, tmp_path))
    assert len(spaces.LENT) >= 2 and isinstance(events[-1], Finished) and events[-1].reason == "completed"
    firsts = [e.first_step for e in events if isinstance(e, Started)]
    assert firsts[0] == 0 and sorted({e.step for e in events if isinstance(e, StepDone)}) == list(range(1, 7))


def test_a_step_longer_than_a_loan_is_told(spaces, tmp_path):
    with pytest.raises(GpuError, match="fewer images per prompt"):
        finetuned(zero_gpu(spaces, seconds=.3, work_seconds=.2, step_seconds=5), tmp_path)
    assert len(spaces.LENT) == 3


def test_without_quota_the_built_in_model_goes_on_on_the_cpu(spaces, tmp_path):
    spaces.QUOTA[0] = 3  # one loan of two seconds
    where = []
    zero = zero_gpu(spaces)
    zero.engine = replace(zero.engine, finetune=lambda model, *a, _real=zero.engine.finetune, **k: (
        where.append(model.label), (yield from _real(model, *a, **k)))[1])
    context = copy_context()
    events = context.run(finetuned, zero, tmp_path)
    assert [e.step for e in events if isinstance(e, StepDone)] == list(range(1, 13))
    assert len(spaces.LENT) == 1 and where == ["cpu"], "in this process, once; the loans have their own"
    assert "exceeded your free ZeroGPU quota" in context[NOTICE] and "on the CPU" in context[NOTICE]


def test_without_quota_another_model_keeps_what_it_learned(spaces, tmp_path):
    spaces.QUOTA[0] = 0
    engine = zero_gpu(spaces).as_engine()
    with pytest.raises(GpuError, match="choose “Built-in portraits”, which needs none, or look at the recorded run"):
        list(engine.finetune(engine.load_model("sd15"), CONFIG, tmp_path))


def test_errors_of_the_work_keep_their_words(spaces, tmp_path):
    engine = zero_gpu(spaces).as_engine()
    with pytest.raises(RuntimeError, match="the gradient left the building"):
        list(engine.finetune(engine.load_model("mini"), replace(CONFIG, prompts=("explode",)), tmp_path))
    assert len(spaces.LENT) == 1, "it is no reason to try again"


def test_a_comparison_goes_on_with_the_missing_prompts(spaces):
    engine = zero_gpu(spaces, step_seconds=.4).as_engine()
    prompts = [f"prompt {i}" for i in range(5)]
    compared = list(engine.compare(engine.load_model("mini"), prompts, range(4), 0, None, sampling_steps=4,
                                   guidance_scale=2.0))
    assert [c.prompt for c in compared] == prompts and len(spaces.LENT) >= 2
    plain = list(fake_engine(0).compare(FakeModel(), prompts, range(4), 0, None))
    assert (compared[3].tuned.images == plain[3].tuned.images).all()


def test_baselines_go_on_with_the_missing_prompts(spaces):
    engine = zero_gpu(spaces, step_seconds=.4).as_engine()
    prompts = [f"a photo of person {i}" for i in range(5)]
    worded = dict(engine.baselines(engine.load_model("mini"), prompts, range(4), 0, CONFIG.target, sampling_steps=4,
                                   guidance_scale=2.0))
    assert list(worded) == prompts and len(spaces.LENT) >= 2


def test_the_page_stops_and_continues_such_a_run(spaces, tmp_path):
    runner = JobRunner(zero_gpu(spaces, step_seconds=.1).as_engine(), tmp_path, tmp_path / "none")
    job_id = runner.submit(request(steps=200))
    wait_for_step(runner, job_id, 2)
    runner.stop(job_id)
    view = wait(runner, job_id, "stopped", 20)
    assert view.step < 30 and view.adapter.exists() and len(view.comparisons) == 2
    runner.go_on(job_id)
    wait_for_step(runner, job_id, view.step + 2, 20)
    assert runner.view(job_id).first_step == view.step
    runner.stop(job_id)
    wait(runner, job_id, "stopped", 20)
    runner.close()


def test_the_page_tells_that_no_gpu_is_lent(spaces, tmp_path):
    spaces.QUOTA[0] = 0
    runner = JobRunner(zero_gpu(spaces, step_seconds=.1).as_engine(), tmp_path, tmp_path / "none")
    job_id = runner.submit(request(steps=4))
    wait_for_step(runner, job_id, 1, 20)
    assert "No GPU is lent now" in runner.view(job_id).notice
    wait(runner, job_id, "finished", 20)
    runner.close()


def test_deadline(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    deadline = Deadline(10)
    asked = []
    for now in (9.5, 9.6, 9.9):  # a model that took long to load still gets its first turn
        clock[0] = now
        asked.append(deadline())
    assert asked == [False, False, True]


@pytest.mark.parametrize(("value", "here"), [("true", True), ("1", True), ("", False), ("false", False)])
def test_where_it_is(value, here):
    assert is_here({"SPACES_ZERO_GPU": value}) is here and not is_here({})
