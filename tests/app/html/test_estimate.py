"""The sentence below a length follows what is chosen, and has limits."""

from dataclasses import replace

import pytest
from helpers.fake_engine import fake_presets

from app.html.estimate import chosen_words, steps_of, what_words
from app.text import duration

GENDER = {"gender": {"female": .5, "male": .5}}
RACE = {"race": dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)}


def lengths() -> dict:
    """Short was tried with gender, Medium with two attributes."""
    short, medium = fake_presets()[:2]
    short = replace(short, config=replace(short.config, marginals=GENDER, prompts_per_step=4))
    return {"short": short, "medium": replace(medium, config=replace(medium.config, marginals=GENDER | RACE))}


def test_it_tells_what_is_chosen():
    told = lengths()
    assert chosen_words(["gender"], 24, 12, told["short"], told) == "Perceived gender on 24 prompts, each drawn about 2 times."
    assert chosen_words(["gender"], 1, 12, told["short"], told).startswith("Perceived gender on 1 prompt, each")
    assert "of which only about 48 are drawn: choose fewer, or more steps" in chosen_words(
        ["gender"], 96, 12, told["short"], told)


def test_more_attributes_than_a_length_was_tried_with():
    told = lengths()
    assert chosen_words(["gender", "race"], 24, 12, told["short"], told).endswith(
        "Short was tried with 1 at a time; for 2, choose Medium, or add steps afterwards.")
    assert chosen_words(["gender", "race", "age"], 24, 60, told["medium"], told).endswith("for 3, expect less of each.")
    assert "tried" not in chosen_words(["gender", "race"], 24, 60, told["medium"], told)


def test_nothing_chosen_is_said():
    assert "switch on" in what_words([], 3) and "choose at least one" in what_words(["age"], 0)
    assert what_words(["gender", "race", "age"], 2) == "Perceived gender, race and age on 2 prompts."


@pytest.mark.parametrize(("typed", "steps"), [
    (1, 1), (20_000, 20_000), (20_001, None), (0, None), (-5, None), (None, None), ("", None), ("x", None),
    (float("nan"), None), (float("inf"), None), (1e300, None)])
def test_steps_have_limits(typed, steps):
    assert steps_of(typed) == steps


@pytest.mark.parametrize(("seconds", "words"), [
    (47 * 3600, "2 days"), (30 * 3600, "30 h 0 min"), (20 * 86400, "20 days"), (4.5e9, "more than a year")])
def test_long_times_are_told_as_people_would(seconds, words):
    assert duration(seconds) == words
