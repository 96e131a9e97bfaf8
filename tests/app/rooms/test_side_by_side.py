"""Runs side by side on the page: chosen, by link, at other strengths, and as files."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.jobs import request, wait

from app.jobs import side_by_side as sides
from app.rooms.desk import Desk
from app.rooms.side_by_side import SideBySideRoom
from fairness_core.report.side_by_side import points
from fairness_core.settings.attributes import ASSETS

CHOSEN = {"side_attribute": None, "side_likeness": "dino", "job_id": "", "seen": {}}


@pytest.fixture
def runner(make):
    return make(recorded=ASSETS / "recorded")


@pytest.fixture
def room(runner):
    room = SideBySideRoom(Desk(runner))
    room.desk.rooms = (room,)
    return room


def drawn(room: SideBySideRoom, *runs: str, **values) -> dict:
    return {name: piece.draw() for name, piece in room.pieces(None, CHOSEN | {"side_runs": list(runs)} | values).items()}


def test_recorded_runs_stand_beside_a_run_of_ones_own(room, runner):
    view = wait(runner, runner.submit(request()), "finished")
    ids = [value for _, value in room.choices()]
    assert ids[-1] == view.job_id and {"mini-short", "mini-medium"} <= set(ids)
    told = drawn(room, "mini-short", "mini-medium", view.job_id)
    assert told["side_banner"] == "" and told["side_table"].count("<tr>") >= 6 and "(recorded)" in told["side_table"]
    assert len({trace.legendgroup for trace in told["side_plot"].data}) == 3 and "Perceived gender" in told["side_plot"].layout.title.text
    assert "DINO" in told["side_plot"].layout.xaxis.title.text
    assert [value for _, value in told["side_attribute"]["choices"]][0] == "gender"


def test_runs_that_share_no_prompt_say_so(room, runner):
    view = wait(runner, runner.submit(request()), "finished")
    other = wait(runner, runner.submit(request("a photo of a judge")), "finished")
    assert "On the 1 prompt that all these runs" in drawn(room, view.job_id, other.job_id)["side_note"]
    assert drawn(room, view.job_id)["side_note"].count("On the 2 prompts that it was compared on") == 1


def test_originals_that_differ_are_told(room, runner):
    asked = [replace(request(), config=replace(request().config, guidance_scale=scale)) for scale in (1.0, 1.5)]
    unguided, guided = (wait(runner, runner.submit(each), "finished").job_id for each in asked)
    assert "its own original pictures: guidance scale 1.0 and 1.5." in drawn(room, unguided, guided)["side_note"]
    assert "its own original" not in drawn(room, guided)["side_note"]


def test_nothing_chosen_is_no_error_and_an_unknown_run_is_named(room):
    told = drawn(room)
    assert told["side_banner"] == told["side_table"] == told["side_note"] == ""
    assert "There is no run nobody" in drawn(room, "mini-short", "nobody")["side_banner"]
    assert "not the id" in drawn(room, "../etc")["side_banner"]
    assert drawn(room, "mini-short", "mini-short")["side_banner"] == ""  # chosen twice counts once


def test_more_than_six_are_refused(room, runner):
    ids = [wait(runner, runner.submit(request(steps=1)), "finished").job_id for _ in range(7)]
    assert "at most 6" in drawn(room, *ids)["side_banner"]


def test_other_strengths_are_painted_into_one_run_and_drawn_as_a_curve(room, runner, recorder):
    first = wait(runner, runner.submit(request()), "finished")
    updates = room.sweep(CHOSEN | {"side_runs": ["mini-short", first.job_id]})
    [kept, job_id] = updates["side_runs"]["value"]
    view = wait(runner, job_id, "finished")
    assert kept == "mini-short" and view.request.kind == sides.KIND and view.source == first.job_id
    assert [c["strength"] for c in recorder.compared[1:]] == [1, *sides.STRENGTHS]
    run = sides.as_run(view, {})
    assert list(run.sweep) == sorted((1, *sides.STRENGTHS))
    assert [p.strength for p in points([run], "gender")] == [0, .25, .5, .75, 1, 1.25, 1.5]
    assert "0.25" in drawn(room, job_id)["side_plot"].data[0].text


def test_a_recorded_run_is_painted_at_other_strengths_on_few_pictures(runner):
    asked = sides.strengths_request(runner.view("mini-short"))
    assert asked.source == "mini-short" and len(asked.compare_prompts) == 6 and asked.images == 16 and not asked.extends


def test_what_cannot_be_painted_is_told(room):
    assert "Choose a run first" in room.sweep(CHOSEN | {"side_runs": []})["side_banner"]
    assert "There is no run nobody" in room.sweep(CHOSEN | {"side_runs": ["nobody"]})["side_banner"]
    assert "Choose a run first" in room.files(CHOSEN | {"side_runs": []})["side_banner"]


def test_a_link_opens_the_room_with_its_runs(room):
    linked = room.from_link("mini-short,mini-medium,")
    assert linked == {"side_runs": ["mini-short", "mini-medium"]} and room.from_link("") == room.opened({}) == {}
    opened = room.opened(linked)
    assert opened["side_runs"]["value"] == linked["side_runs"] and opened["tabs"]["selected"] == "side-by-side"


def test_the_files_hold_plot_and_table(room):
    made = room.files(CHOSEN | {"side_runs": ["mini-short", "mini-medium"], "side_attribute": "gender"})
    html, table = (Path(made[name]["value"]).read_text(encoding="utf-8") for name in ("side_html", "side_csv"))
    assert "plotly" in html and "(recorded)" in html and table.startswith("run,way,strength")
    assert [table.count(f",{way},") for way in ("original", "finetuned")] == [2, 2]
