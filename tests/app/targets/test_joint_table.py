"""The table of combinations says what is wrong with it, and becomes the target it shows."""

import numpy as np
import pytest

from app.targets import joint_table
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.settings.ratios import TargetError

PAIR = "gender x race"
PERCENTS = {"gender": {"female": 50, "male": 50}, "race": {"wmelh": 40, "asian": 30, "black": 20, "indian": 10}}


def table(*rows):
    return [list(row) for row in rows]


def test_pairs_of_what_is_controlled():
    assert joint_table.pair_choices(["gender"]) == []
    assert [value for _, value in joint_table.pair_choices(["gender", "race", "age"])] == [
        "gender x race", "gender x age", "race x age"]


def test_filled_from_the_sliders_and_sums_to_100():
    filled = joint_table.from_marginals(PAIR, PERCENTS)
    assert filled == table((20, 20), (15, 15), (10, 10), (5, 5))
    odd = joint_table.from_marginals(PAIR, PERCENTS | {"gender": {"female": 33, "male": 67}})
    assert joint_table.read(PAIR, odd).sum() == pytest.approx(100, abs=1e-9)
    assert "Female 50 %, Male 50 %" in joint_table.in_words(PAIR, filled)
    assert "WMELH 40 %, Asian 30 %" in joint_table.in_words(PAIR, filled)


@pytest.mark.parametrize(("bad", "words"), [
    (table((20, 20), (15, 15), (10, 10), (5, 2)), "97 %: 3 % are missing"),
    (table((20, 20), (15, 15), (10, 10), (5, 10)), "105 %: 5 % are too many"),
    (table((20, 20), (15, 15), (10, None), (5, 5)), "Black, Male is empty"),
    (table((120, -20), (0, 0), (0, 0), (0, 0)), "between 0 and 100"),
    (table((50, 50), (0, float("nan")), (0, 0), (0, 0)), "Asian, Male"),
])
def test_a_bad_table_says_where(bad, words):
    with pytest.raises(TargetError, match=words):
        joint_table.read(PAIR, bad)
    assert 'class="wrong"' in joint_table.note(PAIR, bad)


def test_scaled_to_100():
    scaled = joint_table.scaled(PAIR, table((1, 1), (1, 1), (1, 1), (1, 0)))
    assert joint_table.read(PAIR, scaled).sum() == pytest.approx(100)
    assert scaled[3][1] == 0


def test_the_target_of_a_table_and_an_independent_third():
    dependent = table((40, 0), (0, 30), (20, 0), (0, 10))
    names, joint = joint_table.joint_target(PAIR, dependent, PERCENTS | {"age": {"young": 75, "old": 25}})
    target = TargetDistribution.from_joint(names, joint)
    assert target.names == ("race", "gender", "age")
    assert target.marginal("gender") == pytest.approx([.6, .4])
    assert target.joint[0, 0] == pytest.approx(np.array([.3, .1]))
