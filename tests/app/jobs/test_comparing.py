"""Images that continue earlier ones, and corrections that every figure follows."""

import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.fake_engine import fake_engine

from app.jobs.files import JobError, JobRequest, JobView
from app.jobs.runner import JobRunner
from app.rooms.correcting import NO_FACE, choices, correction, told
from fairness_core.report.record import side_record
from fairness_core.runs.corrections import CorrectionError
from fairness_core.settings.config import FinetuneConfig

NURSE, JUDGE = "a photo of the face of a nurse, a person", "a photo of the face of a judge, a person"
CONFIG = FinetuneConfig(steps=2, images_per_prompt=4, prompts=(JUDGE,), marginals={"gender": {"female": .5, "male": .5}})


@pytest.fixture
def runner(tmp_path, recorder):
    runner = JobRunner(fake_engine(.01, recorder), tmp_path / "runs", tmp_path / "recorded")
    yield runner
    runner.close()


def done(runner: JobRunner, request: JobRequest) -> JobView:
    job_id, end = runner.submit(request), time.monotonic() + 20
    while (view := runner.view(job_id)).is_active:
        assert time.monotonic() < end
        time.sleep(.02)
    assert view.state == "finished", view.failure
    return view


def frequency(view: JobView, class_name: str) -> float:
    """Of one gender among the debiased faces of the first prompt."""
    return side_record(view.comparisons[0].tuned)["frequencies"]["gender"][class_name]["frequency"]


def compared(**changes) -> JobRequest:
    return replace(JobRequest("compare", CONFIG, (JUDGE,), images=6, seed=3), **changes)


def test_more_images_continue_and_the_earlier_ones_stay(runner, recorder):
    first = done(runner, compared())
    more = done(runner, compared(images=10, extends=first.job_id, compare_prompts=(JUDGE, NURSE)))
    assert [c["numbers"] for c in recorder.compared] == [tuple(range(6)), tuple(range(6, 10)), tuple(range(10))]
    judge, nurse = more.comparisons
    assert judge.original.numbers == nurse.original.numbers == tuple(range(10)) and nurse.held_out
    whole = done(runner, compared(images=10)).comparisons[0]
    np.testing.assert_array_equal(judge.original.probabilities["race"], whole.original.probabilities["race"])


def test_nothing_to_add_paints_nothing(runner, recorder):
    first = done(runner, compared())
    again = done(runner, compared(extends=first.job_id))
    assert len(recorder.compared) == 1 and len(again.comparisons) == 1


def test_a_correction_is_stored_and_recomputes(runner):
    view = done(runner, compared())
    label = int(view.comparisons[0].tuned.probabilities["gender"][2].argmax())
    other = ("female", "male")[1 - label]
    fix = correction(JUDGE, "tuned", 2, f"gender:{other}")
    runner.correct(view.job_id, [fix])
    corrected = runner.view(view.job_id)
    assert corrected.corrections == (fix,)
    before, after = (frequency(v, other) for v in (view, corrected))
    assert after == pytest.approx(before + 1 / view.comparisons[0].tuned.found.sum())
    again = JobRunner(runner.engine, runner.runs_root, runner.store.recorded_root)  # a server that starts anew
    assert again.view(view.job_id).corrections == (fix,)
    again.close()
    runner.correct(view.job_id, [])
    assert frequency(runner.view(view.job_id), other) == before


def test_corrections_travel_with_the_images_and_go_with_them(runner):
    request = replace(compared(), kind="finetune")
    view = done(runner, request)
    fix = correction(JUDGE, "original", 1, NO_FACE)
    runner.correct(view.job_id, [fix])
    more = done(runner, compared(source=view.job_id, images=8, extends=view.job_id))
    assert more.corrections == (fix,) and not more.comparisons[0].original.found[1]
    runner.go_on(view.job_id, more_steps=1)
    while runner.view(view.job_id).is_active:
        time.sleep(.02)
    assert runner.view(view.job_id).corrections == ()


def test_what_cannot_be_corrected(runner):
    view = done(runner, compared())
    with pytest.raises(CorrectionError, match="no picture no. 99"):
        runner.correct(view.job_id, [correction(JUDGE, "tuned", 99, NO_FACE)])
    job_id = runner.submit(compared(images=200))
    with pytest.raises(JobError, match="still being painted"):
        runner.correct(job_id, [correction(JUDGE, "tuned", 0, NO_FACE)])


def test_corrections_in_words():
    values = [value for _, value in choices()]
    assert values[-1] == NO_FACE and "race:wmelh" in values
    text = told([correction(JUDGE, "tuned", 2, "gender:female"), correction(NURSE, "original", 3, NO_FACE)])
    assert "“judge”, debiased no. 2: <strong>Perceived gender: Female" in text and "original no. 3: <strong>no face" in text
    assert told([]) == ""
