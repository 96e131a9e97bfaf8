"""Bars and figures are at first those of what the run controls."""

from dataclasses import replace

import pytest
from helpers.runs import CONFIG

from app.rooms.compare_choices import CHOSEN_FOR, choice_pieces, with_choices

AT_FIRST = {"bars": ["gender"], "plot_class": "gender:female", "joint_pair": "gender x race", CHOSEN_FOR: ""}
AGE = {"age": {"young": .75, "old": .25}}
RACE = {"race": dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)}


@pytest.mark.parametrize(("marginals", "bars", "plotted", "pair"), [
    (CONFIG.marginals, ["gender"], "gender:female", "gender x race"),
    (AGE, ["age"], "age:young", "gender x age"),
    (RACE | AGE, ["race", "age"], "race:wmelh", "race x age"),
    ({}, ["gender"], "gender:female", "gender x race")])
def test_what_is_controlled_is_shown(marginals, bars, plotted, pair):
    chosen = with_choices(replace(CONFIG, marginals=marginals), AT_FIRST)
    assert (chosen["bars"], chosen["plot_class"], chosen["joint_pair"]) == (bars, plotted, pair)


def test_what_a_visitor_chose_stays_until_another_kind_of_run_is_shown():
    own = with_choices(CONFIG, AT_FIRST) | {"bars": ["race", "age"]}
    assert with_choices(CONFIG, own)["bars"] == ["race", "age"]
    assert with_choices(replace(CONFIG, marginals=AGE), own)["bars"] == ["age"]


def test_choices_are_sent_only_with_another_kind_of_run():
    first, second = (choice_pieces(with_choices(CONFIG, values)) for values in (AT_FIRST, AT_FIRST | {"bars": ["age"]}))
    assert {name: piece.key for name, piece in first.items()} == {name: piece.key for name, piece in second.items()}
    assert first["bars"].draw()["value"] == ["gender"] and first[CHOSEN_FOR].draw() == "gender"
