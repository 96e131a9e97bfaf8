"""What must not move: the sentence above the table counts every answer."""

from dataclasses import replace

from app.rooms.must_not_move import count_words, moved_table
from fairness_core.metrics.must_not_move import Moved, Proportion

ONE = Moved("a nurse", {"gender": "female"}, Proportion(16, 16, 1., .8, 1.), Proportion(16, 16, 1., .8, 1.), 0, 0, 1., .9, "kept")


def results(*statuses: str) -> list[Moved]:
    return [replace(ONE, status=status) for status in statuses]


def test_five_that_cannot_be_told_are_not_hidden_behind_none_that_moved():
    told = moved_table(results(*["kept"] * 4, *["cannot tell"] * 5))
    assert "Of 9 prompts 0 moved, 4 kept what they say, 5 cannot be told from so few pictures" in told
    assert "In none of" not in told


def test_every_answer_is_counted_once():
    assert count_words(results("moved", "kept", "improved", "absent", "cannot tell")) == [
        "1 moved", "2 kept what they say", "1 cannot be told from so few pictures",
        "1 was not painted as it says before either"]
    assert count_words(results("absent", "absent"))[-1] == "2 were not painted as they say before either"
    assert "Moved, and should not have: “a nurse”" in moved_table(results("moved", "kept"))
