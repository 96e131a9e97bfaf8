"""Bars and figures are at first those of what the run controls."""

from dataclasses import replace

import pytest
from helpers.runs import CONFIG

from app.jobs.files import JobRequest, JobView
from app.rooms.compare_choices import CHOSEN_FOR, choice_pieces, with_choices

AT_FIRST = {"prompt": "", "bars": ["gender"], "plot_class": "gender:female", "joint_pair": "gender x race", CHOSEN_FOR: ""}
AGE = {"age": {"young": .75, "old": .25}}
RACE = {"race": dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)}


def view(config=CONFIG, job_id: str = "one") -> JobView:
    return JobView(job_id, JobRequest("finetune", config, ()), "finished", "")


@pytest.mark.parametrize(("marginals", "bars", "plotted", "pair"), [
    (CONFIG.marginals, ["gender"], "gender:female", "gender x race"),
    (AGE, ["age"], "age:young", "gender x age"),
    (RACE | AGE, ["race", "age"], "race:wmelh", "race x age"),
    ({}, ["gender"], "gender:female", "gender x race")])
def test_what_is_controlled_is_shown(marginals, bars, plotted, pair):
    chosen = with_choices(view(replace(CONFIG, marginals=marginals)), AT_FIRST)
    assert (chosen["bars"], chosen["plot_class"], chosen["joint_pair"]) == (bars, plotted, pair)


def test_what_a_visitor_chose_stays_until_another_kind_of_run_is_shown():
    own = with_choices(view(), AT_FIRST) | {"bars": ["race", "age"], "prompt": "judge"}
    same = with_choices(view(), own)
    assert (same["bars"], same["prompt"]) == (["race", "age"], "judge")
    next_run = with_choices(view(job_id="two"), own)
    assert (next_run["bars"], next_run["prompt"]) == (["race", "age"], "")
    assert with_choices(view(replace(CONFIG, marginals=AGE)), own)["bars"] == ["age"]


def test_choices_are_sent_only_with_another_kind_of_run():
    first, second = (choice_pieces(with_choices(view(), values)) for values in (AT_FIRST, AT_FIRST | {"bars": ["age"]}))
    assert {name: piece.key for name, piece in first.items()} == {name: piece.key for name, piece in second.items()}
    assert first["bars"].draw()["value"] == ["gender"] and first[CHOSEN_FOR].draw() == "gender|one"
