"""Words in the prompt beside the finetune: asked for on the page, painted behind what is there, kept and counted."""

import json
from dataclasses import replace

import pytest
from helpers.fake_engine import Recorder
from helpers.jobs import PARITY, request, wait

from app.html import pictures, render
from app.jobs.files import JobRequest, read_state
from app.jobs.limits import cost
from app.rooms.desk import Desk
from app.rooms.ways import WaysPart
from fairness_core.runs import RunFolder, load_comparisons
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig


def drawn(part: WaysPart, view) -> dict:
    return {name: piece.draw() for name, piece in part.pieces(view).items()}


def test_the_baseline_is_painted_behind_the_comparison_on_show(make, recorder: Recorder):
    runner = make()
    part = WaysPart(Desk(runner))
    first = wait(runner, runner.submit(request()), "finished")
    before = drawn(part, first)
    assert "not measured" in before["ways"] and "(8 pictures)" in before["paint_words"]["value"]
    again = wait(runner, runner.submit(part.request(first)), "finished")
    assert recorder.worded == [{"prompts": [c.prompt for c in first.comparisons], "numbers": (0, 1, 2, 3)}]
    assert len(recorder.compared) == 1  # what was painted stays
    after = drawn(part, again)
    assert "not measured" not in after["ways"] and after["paint_words"]["visible"] is False
    assert "Words in the prompt" in after["ways"] and "Female" in after["diversity"] and "Glasses" in after["side_effects"]
    assert "words in the prompt no. 0" in pictures.pairs(again.comparisons[0], ["gender"])
    assert all(c.baseline for c in load_comparisons(RunFolder(again.folder)))


def test_prompts_that_were_left_alone_are_named(make):
    runner = make()
    part, asked = WaysPart(Desk(runner)), request(prompt="a landscape")
    view = wait(runner, runner.submit(replace(asked, baseline=True)), "finished")
    assert "Left alone, for it names no person that is known here: “a landscape”." in drawn(part, view)["ways"]


def test_a_recorded_run_of_before_is_not_measured(make, tmp_path):
    runner = make(recorded=ASSETS / "recorded")
    shown = runner.recorded()
    if shown.comparisons[0].original.faces is None:
        told = drawn(WaysPart(Desk(runner)), shown)
        assert "Not measured in this run" in told["diversity"] and "Not measured in this run" in told["side_effects"]


def test_without_a_target_there_is_nothing_to_put_into_words(make):
    runner = make()
    config = FinetuneConfig(prompts=("a nurse",))
    view = wait(runner, runner.submit(JobRequest("compare", config, ("a nurse",), images=4)), "finished")
    part = WaysPart(Desk(runner))
    assert part.label(view) == "" and "not measured" in drawn(part, view)["ways"]
    refused = part.paint_words({"job_id": view.job_id, "seen": {}})
    assert "no target to put into words" in refused["banner"]


def test_it_is_told_and_counted_while_it_is_painted(make):
    runner = make()
    view = wait(runner, runner.submit(request()), "finished")
    running = replace(view, state="running", phase="comparing", request=replace(view.request, baseline=True))
    assert render.running_words(running) == "Painting with words in the prompt: 0 of 2 prompts done."
    several = replace(running, request=replace(view.request, strengths=(.5, 1.5)))
    assert "other strengths of the adapter (0.5, 1.5)" in render.running_words(several)
    plain = JobRequest("compare", FinetuneConfig(marginals=PARITY), ("a", "b"), images=4)
    assert [cost(r).images for r in (plain, replace(plain, baseline=True), replace(plain, strengths=(.5, 1.5)))] == [16, 24, 32]


@pytest.mark.parametrize("old", [{}, {"baseline": True, "strengths": [0.5]}])
def test_jobs_of_before_are_read(make, tmp_path, old):
    """job.json of before knows nothing of it."""
    runner = make()
    view = wait(runner, runner.submit(request()), "finished")
    path = view.folder / "job.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    for name in ("baseline", "strengths"):
        del data["request"][name]
    data["request"] |= old
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read_state(RunFolder(view.folder))[1].strengths == tuple(old.get("strengths", ()))
