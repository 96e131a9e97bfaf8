"""Attribute words in a prompt: where they go, which prompts are left alone, and the ratio they are drawn in."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fairness_core.settings.attribute_words import why_left_alone, with_words, worded_prompts
from fairness_core.settings.attributes import AttributesError, TargetDistribution, load_attributes, parity
from fairness_core.settings.prompts import prompt_for
from fairness_core.settings.questions import QuestionsError, load_questions

GENDER = load_attributes()["gender"]


@pytest.mark.parametrize("prompt, words, expected", [
    (prompt_for("nurse"), ("female",), "a photo of the face of a female nurse, a person"),
    (prompt_for("artist"), ("male",), "a photo of the face of a male artist, a person"),
    (prompt_for("judge"), ("old", "Black"), "a photo of the face of an old Black judge, a person"),
    (prompt_for("wealthy person"), ("Asian",), "a photo of the face of a wealthy Asian person, a person"),
    ("A close-up of a smiling barista", ("old",), "A close-up of a smiling old barista"),
    ("An engineer at work", ("female",), "A female engineer at work"),
    ("two nurses in a corridor", ("male",), "two male nurses in a corridor"),
    ("a person who fixes cars", ("Indian",), "an Indian person who fixes cars"),
    (prompt_for("software developer"), ("young",), "a photo of the face of a young software developer, a person")])
def test_words_stand_before_the_person(prompt, words, expected):
    assert with_words(prompt, words) == expected


@pytest.mark.parametrize("prompt, reason", [
    ("a photo of the face of a female nurse, a person", "(“female”)"), ("A Woman working as a judge", "(“Woman”)"),
    ("a chef in her kitchen", "(“her”)"), ("a photo of a landscape", "no person"), ("a photo of an empty room", "no person")])
def test_prompts_that_name_a_class_or_no_person_are_left_alone_and_say_so(prompt, reason):
    assert reason in why_left_alone(prompt, [GENDER])
    worded = worded_prompts(prompt, range(4), 0, parity("gender"))
    assert worded.prompts == (prompt,) * 4 and reason in worded.left_alone


def test_only_what_is_controlled_counts_as_named_and_colours_of_things_do_not():
    race = load_attributes()["race"]
    assert not why_left_alone("a photo of a female nurse", [race])
    assert not why_left_alone("a mechanic, a black and white photograph", [race])
    assert not why_left_alone("a doctor in a white coat", [race])
    assert "Black" in why_left_alone("a Black doctor in a white coat", [race])


def test_draws_follow_the_target_and_depend_on_the_number_alone():
    target = TargetDistribution.from_marginals({"gender": {"female": .8, "male": .2}})
    drawn = worded_prompts(prompt_for("nurse"), range(500), 0, target).prompts
    assert sum("female" in one for one in drawn) / 500 == pytest.approx(.8, abs=.06)
    assert worded_prompts(prompt_for("nurse"), [7, 3], 0, target).prompts == (drawn[7], drawn[3])
    assert worded_prompts(prompt_for("nurse"), range(500), 1, target).prompts != drawn


def test_a_joint_target_is_drawn_jointly():
    """Old women and young men alone: attributes drawn one by one would paint young women, too."""
    target = TargetDistribution.from_joint(["gender", "age"], [[0, .5], [.5, 0]])
    drawn = Counter(worded_prompts(prompt_for("judge"), range(100), 0, target).prompts)
    assert set(drawn) == {f"a photo of the face of {who} judge, a person" for who in ("an old female", "a young male")}
    assert 30 < min(drawn.values())


def test_each_word_of_a_class_is_drawn_and_attributes_stand_in_their_order():
    drawn = " ".join(worded_prompts(prompt_for("judge"), range(300), 0, parity("gender", "race", "age")).prompts)
    assert "old Middle Eastern female judge" in drawn and "young Latino male judge" in drawn and "White" in drawn


def test_a_class_without_words_is_told():
    mute = replace(GENDER, words={})
    with pytest.raises(AttributesError, match="no words for gender: female"):
        worded_prompts("a nurse", range(2), 0, TargetDistribution((mute,), np.array([.5, .5])))


def test_the_questions_have_answers_with_texts(tmp_path):
    for kind in ("built_in", "photographs"):
        for question in load_questions(kind):
            assert len(question.answers) == len(question.texts) >= 2 and all(question.texts)
    path = tmp_path / "questions.yaml"
    for text in ("[]", "built_in: 3", "photographs: {}", "built_in: {Glasses: 4}"):
        path.write_text(text, encoding="utf-8")
        load_questions.cache_clear()
        with pytest.raises(QuestionsError, match="questions.yaml"):
            load_questions("built_in", path)
