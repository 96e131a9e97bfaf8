"""How long a step takes here: measured, or the preset's figure at this machine's speed."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.fake_engine import FakePreset, fake_engine, fake_presets
from helpers.jobs import request, wait

from app.jobs import pace as paces
from app.jobs.pace import Pace, Paces, estimated, seconds_a_step, steps_within
from app.jobs.runner import JobRunner
from app.rooms.desk import Desk
from fairness_core.events import StepDone
from fairness_core.settings.config import FinetuneConfig

CONFIG = FinetuneConfig(model="mini", steps=40, images_per_prompt=4)


def done(*seconds: float) -> list[StepDone]:
    return [StepDone(i, len(seconds), s, "x", {}, {}, 8, 8) for i, s in enumerate(seconds, 1)]


def test_a_slow_machine_takes_as_much_longer():
    assert estimated(4.5, 0.25) == Pace(18.0) and estimated(4.5, 1.0) == Pace(4.5)
    assert estimated(None, 0.25) == estimated(4.5, None) == Pace(None), "nothing is made up"


@pytest.mark.parametrize("seconds, budget, steps", [
    (4.5, 180, 40), (6.7, 180, 40), (6.8, 180, 26), (18.0, 180, 10), (60.0, 180, 10), (60.0, None, 40), (None, 180, 40)])
def test_steps_follow_the_budget_on_a_slow_machine_alone(seconds, budget, steps):
    assert steps_within(40, Pace(seconds), budget) == steps


def test_a_short_length_is_never_made_longer():
    assert steps_within(4, Pace(1000.0), 180) == 4


def test_what_was_measured_here_is_remembered_for_like_settings(tmp_path, monkeypatch):
    def known() -> Paces:
        return Paces(tmp_path / "paces.json", lambda: 0.5)
    known().remember(CONFIG, done(9, 3, 3, 3, 4.5))
    assert known().of(replace(CONFIG, steps=7, prompts=("a",)), 4.5) == Pace(4.5, is_measured=True)
    assert known().of(replace(CONFIG, images_per_prompt=8), 4.5) == Pace(9.0), "other settings, another time"
    monkeypatch.setattr(paces, "machine", lambda: "another machine")
    assert known().of(CONFIG, 4.5) == Pace(9.0)


def test_too_few_steps_tell_nothing_and_a_damaged_file_neither(tmp_path):
    assert seconds_a_step(done(9, 3, 3, 3)) is None
    (tmp_path / "paces.json").write_text("{", encoding="utf-8")
    known = Paces(tmp_path / "paces.json", lambda: 1.0)
    assert known.of(CONFIG, 4.5) == Pace(4.5)
    known.remember(CONFIG, done(2, 2, 2, 2, 2))
    assert known.of(CONFIG, 4.5) == Pace(2.0, is_measured=True)


def test_a_disk_that_refuses_costs_no_finetune(tmp_path):
    Paces(tmp_path / "no folder" / "paces.json", lambda: 1.0).remember(CONFIG, done(2, 2, 2, 2, 2))


def desk(folder: Path, speed: float | None) -> Desk:
    short = FakePreset("mini-short", "Short", "A look.", 4.5, CONFIG, budget_seconds=180)
    engine = replace(fake_engine(0), load_presets=lambda: [short, *fake_presets()[1:]], machine_speed=lambda: speed)
    return Desk(JobRunner(engine, folder / "runs", folder / "recorded"))


def test_the_page_offers_what_this_machine_can_do_and_says_so(tmp_path):
    slow, fast, gpu = (desk(tmp_path, speed) for speed in (.4, 1.0, None))
    assert [d.presets["mini-short"].config.steps for d in (slow, fast, gpu)] == [16, 40, 40]
    assert slow.presets["mini-medium"].config.steps == 60, "only what has a budget is cut"
    told = slow.takes(slow.presets["mini-short"], 16)
    assert "16 steps of 11.2 s, estimated for this machine" in told and "fewer than the usual 40" in told
    assert "usual" not in slow.takes(slow.presets["mini-short"], 12), "someone's own choice"
    assert "40 steps of 4.5 s" in fast.takes(fast.presets["mini-short"], 40)
    assert "40 steps; how long is told after the first" in gpu.takes(gpu.presets["mini-short"], 40)


def test_a_finetune_is_measured_for_the_next(tmp_path):
    runner = JobRunner(fake_engine(.01), tmp_path / "runs", tmp_path / "recorded")
    asked = request(steps=6)
    wait(runner, runner.submit(asked), "finished")
    assert runner.paces.of(asked.config, 100.0) == Pace(.01, is_measured=True)
