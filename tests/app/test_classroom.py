"""Guesses are shared by class and question, and closed when the answer is out."""

import numpy as np
import pytest

from app import classroom
from app.classroom import Answers, Classroom, ClassroomError, Question, guesses_figure, truth
from fairness_core.results import ImageSet

NURSE = Question("a photo of the face of a nurse, a person", "gender", "female")
JUDGE = Question("a photo of the face of a judge, a person", "gender", "female")


def test_a_class_shares_its_guesses_and_no_other_sees_them():
    room = Classroom()
    room.guess("oak", NURSE, 20)
    room.guess("oak", NURSE, 90)
    assert room.answers("oak", NURSE).guesses == [20, 90]
    assert room.answers("elm", NURSE).guesses == room.answers("oak", JUDGE).guesses == []


def test_no_guess_after_the_answer_and_none_that_is_no_share():
    room = Classroom()
    for wrong in (-1, 101, None):
        with pytest.raises(ClassroomError, match="guess from 0 to 100"):
            room.guess("oak", NURSE, wrong)
    room.reveal("oak", NURSE)
    with pytest.raises(ClassroomError, match="revealed already"):
        room.guess("oak", NURSE, 50)
    room.guess("oak", JUDGE, 50)


def test_the_server_does_not_fill_up(monkeypatch):
    monkeypatch.setattr(classroom, "MOST_CLASSES", 2)
    monkeypatch.setattr(classroom, "MOST_GUESSES", 3)
    room = Classroom()
    for name in ("a", "b", "c"):
        room.guess(name, NURSE, 10)
    assert room.answers("a", NURSE).guesses == [] and room.answers("c", NURSE).guesses == [10]
    room.guess("c", NURSE, 10)
    room.guess("c", NURSE, 10)
    with pytest.raises(ClassroomError, match="in already"):
        room.guess("c", NURSE, 10)


def test_truth_and_figure():
    images = ImageSet(NURSE.prompt, (0, 1, 2, 3), np.zeros((4, 2, 2, 3), np.uint8), np.array([True, True, True, False]),
                      np.zeros((4, 4)), {"gender": np.eye(2)[[0, 0, 1, 1]]})
    assert truth(images, NURSE) == (2, 3)
    figure = guesses_figure(Answers([20, 90, 90], True), NURSE, (2, 3), (1, 3))
    assert [t.name.split(":")[0] for t in figure.data] == ["guesses", "original model", "finetuned model"]
    assert figure.data[1].x[0] == pytest.approx(200 / 3) and "3 guesses" in figure.layout.title.subtitle.text
