"""Whatever is typed into a slider's number box, the shares sum to 100 and the target's name is the one that they have."""

import gradio as gr
import pytest

from app.reading import read
from app.rooms.desk import Desk
from app.rooms.target import TargetRoom
from app.targets.sliders import CUSTOM

PARITY = {"gender:control": True, "race:control": False, "age:control": False, "joint:on": False}


@pytest.fixture
def room(make):
    return TargetRoom(Desk(make()))


@pytest.mark.parametrize(("typed", "kept"), [(-20, 0), (150, 100), (1e3, 100), (None, 0), (33.3, 33), ("", 0), (50.4, 50)])
def test_the_others_follow_and_the_sum_is_100(room, typed, kept):
    field = gr.Slider(0, 100, 50, step=1)
    values = PARITY | {f"{name}:{c}": 25 for name in ("race", "age") for c in ("a", "b")}
    values |= {"gender:female": read(field, typed), "gender:male": 50}
    shown = {"gender:female": values["gender:female"]} | room.slider_moved("gender", "female")(values)
    assert (shown["gender:female"], shown["gender:male"]) == (kept, 100 - kept)
    assert (shown["target_preset"] == CUSTOM) == (kept != 50)


@pytest.mark.parametrize(("sent", "taken"), [
    (-3, 1), (500, 100), (None, None), ("", None), ("12", 12), (33.3, 33), (10**400, None), (float("nan"), None), (True, None),
    ([], None)])
def test_a_number_field_takes_what_is_nearest(sent, taken):
    assert read(gr.Number(10, precision=0, minimum=1, maximum=100), sent) == taken


@pytest.mark.parametrize(("component", "sent", "taken"), [
    (gr.Textbox(), 5, ""), (gr.Textbox(), "half \ud800", "half ?"), (gr.Checkbox(), "yes", False), (gr.Checkbox(), True, True),
    (gr.CheckboxGroup(["a"]), "a", []), (gr.CheckboxGroup(["a"]), ["a", 1], ["a"]), (gr.Radio(["a"]), ["a"], None),
    (gr.Dropdown(["a"], multiselect=True), None, []), (gr.Dropdown(["a"]), "b", "b"), (gr.JSON(), [1], {}),
    (gr.UploadButton(), {"path": "/etc/passwd"}, None), (gr.UploadButton(), None, None)])
def test_what_is_of_another_kind_is_nothing(component, sent, taken):
    assert read(component, sent) == taken
