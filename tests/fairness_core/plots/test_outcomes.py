"""No picture is left out of the bars."""

import numpy as np
import pytest

from fairness_core.plots import joint_heatmap, outcome_bars
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

GENDER, RACE = load_attributes()["gender"], load_attributes()["race"]


def comparison(sure: int, unsure: int, no_face: int) -> PromptComparison:
    n = sure + unsure + no_face
    values = np.array([[.9, .1]] * sure + [[.6, .4]] * unsure + [[.5, .5]] * no_face)
    images = ImageSet("nurse", tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), np.arange(n) < sure + unsure,
                      np.zeros((n, 4)), {"gender": values})
    return PromptComparison("nurse", False, images, images, *np.ones((4, n)))


def test_unsure_and_faceless_pictures_have_bars_of_their_own():
    figure = outcome_bars([comparison(6, 2, 8)], GENDER, np.array([.5, .5]))
    classes, extra = (next(t for t in figure.data if t.name == "before" and len(t.x) == 2 and (t.showlegend is False) == e)
                      for e in (False, True))
    assert list(classes.y) == [100, 0]
    assert list(extra.y) == pytest.approx([25, 50]) and "8 of 16" in extra.text[1]
    assert list(figure.layout.xaxis.ticktext) == ["Female", "Male", "Unsure", "No face"]


def test_pictures_without_any_face():
    [extra, _] = outcome_bars([comparison(0, 0, 4)], GENDER).data
    assert list(extra.y) == [100]
    assert "yet" in outcome_bars([], GENDER).layout.annotations[0].text


def test_a_heatmap_without_a_target_shows_two_tables():
    table = np.full((2, 4), 1 / 8)
    assert len(joint_heatmap(None, table, table, GENDER, RACE).data) == 2
