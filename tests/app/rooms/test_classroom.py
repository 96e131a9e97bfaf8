"""What a class sees when it is revealed."""

import pytest
from helpers.jobs import request, wait

from app.rooms.classroom import GONE, ClassroomRoom
from app.rooms.desk import Desk
from app.rooms.lesson import Question


@pytest.fixture
def desk(make) -> Desk:
    return Desk(make())


def test_a_class_is_told_that_the_pictures_were_deleted(desk):
    """It would be shown an empty figure, and nothing beside it."""
    room, run = ClassroomRoom(desk), wait(desk.runner, desk.runner.submit(request()), "finished")
    key = room.classroom.open_class("oak-7")
    room.classroom.ask("oak-7", key, Question(run.job_id, "a photo of a chef", "gender", "female"))
    room.classroom.reveal("oak-7", key)
    seen = {"class_name": "oak-7", "class_key": "", "class_prompt": None, "class_student": "ada"}
    before = room.pieces(None, seen)
    assert before["class_figure"].draw()["visible"] and "pair" in before["class_pictures"].draw()
    desk.runner.delete(run.job_id)
    after = room.pieces(None, seen)
    assert not after["class_figure"].draw()["visible"] and GONE in after["class_pictures"].draw()
    assert all(before[name].key != after[name].key for name in ("class_figure", "class_pictures"))
