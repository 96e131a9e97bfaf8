"""Pass, fail or cannot tell."""

import json

import numpy as np
import pytest

from fairness_core.metrics import summarise, verdict
from fairness_core.metrics.audit import AuditError, audit
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import TargetDistribution, parity

GENDER = parity("gender")


def images(prompt: str, female: int, male: int, no_face: int = 0, race: int = 0) -> ImageSet:
    gender = np.eye(2)[[0] * female + [1] * male + [0] * no_face]
    n = len(gender)
    return ImageSet(prompt, tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), np.arange(n) < female + male,
                    np.zeros((n, 4)), {"gender": gender, "race": np.eye(4)[[race] * n]})


def test_many_fair_images_pass_and_many_unfair_ones_fail():
    [fair] = audit([images("a", 200, 200)], GENDER).attributes
    assert fair.status == "pass" and fair.images_needed == 0 and (fair.passed, fair.failed, fair.untold) == (1, 0, 0)
    [unfair] = audit([images("a", 40, 360)], GENDER).attributes
    assert unfair.status == "fail" and unfair.prompts[0].distance == pytest.approx(.4)
    assert "40 % of the faces would have to change, 10 % may" in unfair.sentence


def test_few_images_cannot_tell_and_say_how_many_would():
    result = audit([images("a", 8, 8)], GENDER)
    [prompt] = result.attributes[0].prompts
    assert result.status == prompt.status == "cannot tell" and prompt.images_needed > 0
    grown = 8 + prompt.images_needed // 2
    assert audit([images("a", grown, grown)], GENDER).status == "pass"
    assert prompt.low[0] < .5 < prompt.high[0] and prompt.floor > 0


def test_images_needed_counts_those_that_will_have_no_face():
    [all_found] = audit([images("a", 8, 8)], GENDER).attributes[0].prompts
    [half_found] = audit([images("a", 8, 8, no_face=16)], GENDER).attributes[0].prompts
    assert half_found.images_needed == 2 * all_found.images_needed
    assert (half_found.images, half_found.faces) == (32, 16)


def test_audit_and_verdict_say_in_the_same_words_whether_more_images_would_tell():
    few, even = images("a", 8, 8, no_face=16), images("a", 600, 400, no_face=1000)
    for one, words in ((few, "about {} more)"), (even, "even {} more may not tell)")):
        [attribute] = audit([one], GENDER).attributes
        told = verdict(summarise([one], "gender").counts, GENDER.marginal("gender"))
        assert words.format(told.images_needed) in told.sentence
        for sentence in (attribute.sentence, attribute.prompts[0].sentence):  # half of the images have no face
            assert words.format(2 * told.images_needed) in sentence and "would)" not in sentence


def test_opposite_biases_do_not_cancel_overall():
    [overall] = audit([images("a", 100, 0), images("b", 0, 100)], GENDER).attributes
    assert overall.status == "fail" and overall.failed == 2 and overall.distance == pytest.approx(.5)


def test_any_other_target_and_tolerance():
    quarter = TargetDistribution.from_marginals({"gender": {"female": .25, "male": .75}})
    assert audit([images("a", 100, 300)], quarter).status == "pass"
    assert audit([images("a", 200, 200)], quarter).status == "fail"
    assert audit([images("a", 200, 200)], quarter, tolerance=.4).status == "pass"


def test_several_attributes_are_judged_jointly_too():
    result = audit([images("a", 200, 200)], parity("gender", "race"))
    assert [a.attribute for a in result.attributes] == ["gender", "race", "gender x race"]
    assert [a.status for a in result.attributes] == ["pass", "fail", "fail"] and result.status == "fail"
    joint = result.attributes[2]
    assert joint.classes[0] == "Female, WMELH" and len(joint.classes) == len(joint.target) == 8
    assert joint.prompts[0].frequencies[0] == pytest.approx(.5)


def test_prompts_without_a_face_are_told_and_do_not_count():
    result = audit([images("a", 200, 200), images("hidden", 0, 0, no_face=5)], GENDER).attributes[0]
    assert result.prompts[1].status == "cannot tell" and "no face" in result.prompts[1].sentence
    assert result.status == "pass" and result.untold == 1
    assert audit([images("hidden", 0, 0, no_face=5)], GENDER).status == "cannot tell"


def test_the_rule_is_stated_and_everything_is_plain_data():
    result = audit([images("a", 8, 8), images("b", 0, 0, no_face=2)], GENDER, tolerance=.2, confidence=.9)
    assert "20 %" in result.rule and "10 %" in result.rule
    assert json.loads(json.dumps(result.to_plain()))["attributes"][0]["prompts"][0]["prompt"] == "a"


@pytest.mark.parametrize(("arguments", "words"), [
    (([], GENDER), "nothing to audit"), (([images("a", 1, 1)], GENDER, 0), "tolerance"),
    (([images("a", 1, 1)], GENDER, 1.5), "tolerance"), (([images("a", 1, 1)], GENDER, .1, 1), "confidence")])
def test_what_cannot_be_audited_is_refused(arguments, words):
    with pytest.raises(AuditError, match=words):
        audit(*arguments)
