"""A class guesses at one question at a time, and only its teacher asks, closes and reveals."""

import numpy as np
import pytest

from app.rooms import lesson as classroom
from app.rooms.lesson import CLOSED, OPEN, REVEALED, WAITING, Classroom, ClassroomError, Question, guesses_figure, truth
from fairness_core.results import ImageSet

NURSE = Question("run-1", "a photo of the face of a nurse, a person", "gender", "female")
JUDGE = Question("run-1", "a photo of the face of a judge, a person", "gender", "female")


@pytest.fixture
def room() -> Classroom:
    return Classroom()


def test_a_lesson(room):
    key = room.open_class("oak-7")
    assert room.lesson("oak-7").state == WAITING
    room.ask("oak-7", key, NURSE)
    room.guess("oak-7", "ada", 20)
    room.guess("oak-7", "bob", 90)
    room.guess("oak-7", "ada", 30)
    assert room.lesson("oak-7").guesses == {"ada": 30, "bob": 90} and room.lesson("oak-7").state == OPEN
    room.close("oak-7", key)
    with pytest.raises(ClassroomError, match="Guessing is closed"):
        room.guess("oak-7", "eve", 50)
    room.close("oak-7", key)
    room.guess("oak-7", "eve", 50)
    room.reveal("oak-7", key)
    room.close("oak-7", key)
    assert room.lesson("oak-7").state == REVEALED and len(room.lesson("oak-7").guesses) == 3
    room.ask("oak-7", key, JUDGE)
    assert room.lesson("oak-7").guesses == {} and room.lesson("oak-7").question == JUDGE


@pytest.mark.parametrize("key", ["schlüssel", "鍵", "\ud800", "x" * 100_000, ""])
def test_a_key_from_a_link_may_be_anything(room, key):
    room.open_class("oak-7")
    assert not room.teaches("oak-7", key) and not room.teaches("nowhere", key)


def test_only_the_teacher_leads(room):
    key, other = room.open_class("oak-7"), room.open_class("elm-1")
    room.ask("oak-7", key, NURSE)
    for wrong in ("", "x", other, key + "x"):
        for act in (room.close, room.reveal, lambda name, k: room.ask(name, k, JUDGE)):
            with pytest.raises(ClassroomError, match="Only the teacher"):
                act("oak-7", wrong)
    assert room.lesson("oak-7").question == NURSE and room.lesson("elm-1").guesses == {}
    assert not room.teaches("nowhere", "") and room.teaches("oak-7", key)


def test_what_cannot_be_done(room):
    for name in ("", "Oak 7", "a" * 25, "../x"):
        with pytest.raises(ClassroomError, match="Type a name"):
            room.open_class(name)
    key = room.open_class("oak-7")
    with pytest.raises(ClassroomError, match="already"):
        room.open_class("oak-7")
    with pytest.raises(ClassroomError, match="no class 'elm'"):
        room.guess("elm", "ada", 10)
    with pytest.raises(ClassroomError, match="Ask a question first"):
        room.reveal("oak-7", key)
    room.ask("oak-7", key, NURSE)
    for wrong in (-1, 101, None):
        with pytest.raises(ClassroomError, match="guess from 0 to 100"):
            room.guess("oak-7", "ada", wrong)


def test_the_server_does_not_fill_up(room, monkeypatch):
    monkeypatch.setattr(classroom, "MOST_CLASSES", 2)
    monkeypatch.setattr(classroom, "MOST_GUESSES", 2)
    keys = {name: room.open_class(name) for name in ("a", "b", "c")}
    with pytest.raises(ClassroomError, match="no class 'a'"):
        room.lesson("a")
    room.ask("c", keys["c"], NURSE)
    room.guess("c", "ada", 10)
    room.guess("c", "bob", 10)
    room.guess("c", "bob", 20)
    with pytest.raises(ClassroomError, match="in already"):
        room.guess("c", "eve", 10)
    assert room.lesson("c").state != CLOSED


def test_truth_and_figure():
    images = ImageSet(NURSE.prompt, (0, 1, 2, 3), np.zeros((4, 2, 2, 3), np.uint8), np.array([True, True, True, False]),
                      np.zeros((4, 4)), {"gender": np.eye(2)[[0, 0, 1, 1]]})
    assert truth(images, NURSE) == (2, 3)
    figure = guesses_figure([20, 90, 90], NURSE, (2, 3), (1, 3))
    assert [t.name.split(":")[0] for t in figure.data] == ["guesses", "original model", "finetuned model"]
    assert figure.data[1].x[0] == pytest.approx(200 / 3) and "3 guesses" in figure.layout.title.subtitle.text
