"""What changed that should not have."""

import numpy as np
import pytest

from fairness_core.metrics.must_not_move import (Moved, MovedCounts, PanelError, PanelPrompt, Proportion, counted,
                                                 load_panel, what_moved)
from fairness_core.results import ImageSet, PromptComparison

NURSE, ROOM = PanelPrompt("a female nurse", {"gender": "female"}), PanelPrompt("an empty room")


def images(prompt: str, female: int, male: int, no_face: int = 0) -> ImageSet:
    n = female + male + no_face
    return ImageSet(prompt, tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), np.arange(n) < female + male,
                    np.zeros((n, 4)), {"gender": np.eye(2)[[0] * female + [1] * male + [0] * no_face]})


def moved(entry: PanelPrompt, before: tuple, after: tuple):
    sides = [images(entry.prompt, *counts) for counts in (before, after)]
    comparison = PromptComparison(entry.prompt, False, *sides, *np.full((4, len(sides[0].found)), .9))
    [result] = what_moved([comparison], [entry])
    return result


def test_the_panel_is_data_and_names_known_classes(tmp_path):
    panel = load_panel()
    assert any(p.named == {"age": "old", "race": "black"} for p in panel) and any(not p.named for p in panel)
    path = tmp_path / "panel.yaml"
    path.write_text("explicit: [{prompt: a tall nurse, named: {height: tall}}]\nscenes: []", encoding="utf-8")
    with pytest.raises(PanelError, match="height: tall"):
        load_panel(path)


def test_a_named_class_that_is_lost_moved():
    result = moved(NURSE, (16, 0), (8, 8))
    assert result.status == "moved" and (result.lost, result.gained) == (8, 0) and result.p_value < .05
    assert result.agreement_after.frequency == .5 and result.agreement_after.low < .5 < result.agreement_after.high
    assert result.clip_image == pytest.approx(.9)


def test_kept_improved_and_unclear():
    assert moved(NURSE, (16, 0), (16, 0)).status == "kept"
    assert moved(NURSE, (16, 0), (14, 2)).status == "cannot tell"
    assert moved(NURSE, (4, 12), (16, 0)).status == "improved"
    assert moved(NURSE, (2, 1), (2, 1)).status == "cannot tell"
    assert moved(NURSE, (0, 16), (0, 16)).status == "absent"


def test_pictures_without_a_face_are_not_judged():
    result = moved(NURSE, (16, 0, 8), (16, 0, 8))
    assert result.agreement_before.n == 16 and result.status == "kept"
    nothing = moved(NURSE, (0, 0, 8), (0, 0, 8))
    assert nothing.status == "cannot tell" and nothing.agreement_after.frequency is None and nothing.p_value is None


def test_a_face_in_an_empty_room_has_moved():
    assert moved(ROOM, (0, 0, 16), (0, 0, 16)).status == "kept"
    assert moved(ROOM, (0, 0, 16), (10, 0, 6)).status == "moved"


def test_every_answer_is_counted_in_one_place():
    every = Proportion(16, 16, 1., .8, 1.)
    statuses = ("moved", "kept", "kept", "improved", "cannot tell", "absent")
    results = [Moved("a nurse", {}, every, every, 0, 0, 1., .9, status) for status in statuses]
    assert counted(results) == MovedCounts(moved=1, kept=3, untold=1, absent=1)
    assert counted([]) == MovedCounts(0, 0, 0, 0)
