"""Percent sliders always sum to 100."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.fake_engine import image_set

from app.targets.sliders import (equal_percents, in_words, labour_preset, largest_remainder, marginals, matching_preset,
                                 measured_preset, rebalance, target_presets)
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.labour_statistics import load_labour_statistics
from fairness_core.settings.ratios import TargetError


@pytest.mark.parametrize("classes", [2, 3, 4, 7])
def test_any_sequence_of_moves_sums_to_100(classes):
    draw = random.Random(classes)
    percents = largest_remainder([1] * classes)
    for _ in range(300):
        moved = draw.randrange(classes)
        percents[moved] = draw.choice([0, 100, draw.randint(0, 100), draw.uniform(0, 100)])
        wanted = round(percents[moved])
        percents = rebalance(percents, moved)
        assert sum(percents) == 100
        assert percents[moved] == wanted
        assert all(isinstance(p, int) and 0 <= p <= 100 for p in percents)


def test_others_keep_their_proportions():
    assert rebalance([40, 30, 20, 10], 0) == [40, 30, 20, 10]
    assert rebalance([70, 30, 20, 10], 0) == [70, 15, 10, 5]
    assert rebalance([25, 25, 25, 28], 3) == [24, 24, 24, 28]


def test_two_classes_are_complements():
    assert rebalance([73, 50], 0) == [73, 27]
    assert rebalance([50, 12], 1) == [88, 12]


def test_others_at_zero_share_equally():
    assert rebalance([40, 0, 0, 0], 0) == [40, 20, 20, 20]


@pytest.mark.parametrize(("typed", "kept"), [(140, 100), (-3, 0), (None, 0), (33.4, 33)])
def test_typed_values_outside_the_slider_are_brought_back(typed, kept):
    percents = rebalance([typed, 50], 0)
    assert percents == [kept, 100 - kept]


def test_largest_remainder():
    assert largest_remainder([1, 1, 1]) == [34, 33, 33]
    assert largest_remainder([0.5, 0.3, 0.2]) == [50, 30, 20]
    assert largest_remainder([0, 0]) == [50, 50]
    assert largest_remainder([1, 2], total=0) == [0, 0]
    with pytest.raises(ValueError):
        largest_remainder([1, -1])


def test_presets_are_usable_and_recognised():
    for preset in target_presets():
        assert marginals(preset.percents)
        assert matching_preset(preset.percents) is preset
        assert preset.chosen_by and preset.why
    assert matching_preset({"gender": {"female": 51, "male": 49}}) is None


def test_as_the_model_is_measured_with_intervals():
    parity = {"gender": (.5, .5), "race": (1, 0, 0, 0), "age": (0, 1)}
    preset = measured_preset([image_set(p, range(40), 0, parity) for p in "ab"], "two prompts")
    assert sum(preset.percents["gender"].values()) == 100 and preset.percents["race"]["wmelh"] == 100
    assert preset.percents["age"] == {"young": 0, "old": 100}
    assert re.search(r"7\d faces in two prompts: Female \d\d % \[\d\d, \d\d\]", preset.why)
    nobody = replace(image_set("a", range(3), 0, parity), found=np.zeros(3, bool))
    with pytest.raises(TargetError, match="No face"):
        measured_preset([nobody], "one prompt")


def test_labour_statistics_name_source_year_and_what_is_left_out():
    preset = labour_preset(["nurse", "pilot", "artist"], load_labour_statistics())
    assert preset.percents["gender"] == {"female": 48, "male": 52}
    assert preset.details[0] == "nurse: 87 % women (Registered nurses, 2023; approximate)" and len(preset.details) == 2
    assert "2023" in preset.why and "https://www.bls.gov" in preset.why and "no longer chosen: artist" in preset.why
    with pytest.raises(TargetError, match="choose occupations"):
        labour_preset(["boxer"], load_labour_statistics())


def test_equal_percents_of_every_attribute():
    for attribute in load_attributes().values():
        assert sum(equal_percents(attribute).values()) == 100


@pytest.mark.parametrize(("percents", "words"), [
    ({}, "No attribute"),
    ({"gender": {"female": 60, "male": 60}}, "sum to 120.0 %"),
    ({"gender": {"female": 50, "elf": 50}}, "elf"),
    ({"shoe size": {"big": 100}}, "shoe size"),
    ({"gender": {"female": "many", "male": 50}}, "percent"),
    ({"gender": [50, 50]}, "percent"),
    ({"age": {"young": -50, "old": 150}}, "between 0 and 100"),
])
def test_targets_that_cannot_be_used_say_why(percents, words):
    with pytest.raises(TargetError, match=words):
        marginals(percents)


def test_in_words():
    assert in_words({"race": {"wmelh": .75, "asian": .25}}, load_attributes()) == "Perceived race: 75 % WMELH, 25 % Asian"
