"""The page as a whole: what each touch may change is named, and is no more than that."""

from collections import defaultdict

import gradio as gr
import pytest
from helpers.fake_engine import fake_engine, fake_presets
from helpers.jobs import request, wait

from app.layout import Rooms, build_app, build_page, page_of
from app.requests.page_values import page_values
from app.rooms.desk import Desk
from app.rooms.must_not_move import panel_request
from app.rooms.settings import LOADED

MOST_WIRES = 4500  # with ten rooms; there were 14,786 when every touch could change every component


def test_the_page_has_few_wires(tmp_path):
    """Each is sent, or looked at, whenever its touch is answered."""
    demo = build_app(fake_engine(), tmp_path / "runs", tmp_path / "recorded")
    demo.runner.close()
    events = demo.config["dependencies"]
    assert sum(len(event["inputs"]) + len(event["outputs"]) for event in events) < MOST_WIRES
    for event in events:
        assert len(set(event["outputs"])) == len(event["outputs"]), event["targets"]


def test_rooms_name_all_that_they_show_and_nothing_else(make):
    runner = make()
    desk = Desk(runner)
    rooms, shown = Rooms.of(desk), defaultdict(set)
    page = page_of(desk)
    with gr.Blocks():
        build_page(page, rooms)
    values = {name: page[name].value for name in page.view_inputs}
    view = wait(runner, runner.submit(request()), "finished")
    check = wait(runner, runner.submit(panel_request(view)), "finished")
    key = rooms.classroom.classroom.open_class("oak-7")
    inside = {"check_id": check.job_id, "class_name": "oak-7", "class_key": key}
    for seen, more in ((None, {}), (view, inside)):
        for room in desk.rooms:
            shown[room] |= set(room.pieces(seen, values | more))
    for room in desk.rooms:
        assert shown[room] == set(room.shows), room


@pytest.mark.parametrize("preset", [preset for preset in fake_presets() if preset.config.marginals])
def test_settings_that_are_loaded_change_what_they_name(preset):
    assert set(page_values(preset.config, fake_engine())) <= set(LOADED)
