"""baselines(): the same noises, attribute words in the prompt."""

import numpy as np
import pytest
from helpers.fakes import tiny_critics, tiny_model

from fairness_core.evaluation.baseline import TOO_LONG, baselines
from fairness_core.evaluation.compare import compare, generate
from fairness_core.evaluation.originals import Originals
from fairness_core.settings.attributes import TargetDistribution, parity
from fairness_core.settings.questions import Question

SETTINGS = dict(sampling_steps=3, guidance_scale=3.0)
WOMEN = TargetDistribution.from_marginals({"gender": {"female": 1.0, "male": 0.0}})


def one(model, prompt: str, target=None, numbers=(0, 1, 5), **more):
    [(found, baseline)] = baselines(model, [prompt], numbers, 0, lambda prompt: target or parity("gender"), **SETTINGS, **more)
    assert found == prompt
    return baseline


def test_pictures_are_those_of_the_worded_prompt_with_the_plain_prompts_noise(model):
    baseline = one(model, "a nurse", WOMEN)
    [original] = compare(model, ["a nurse"], (0, 1, 5), 0, None, **SETTINGS)
    assert baseline.prompts == ("a female nurse",) * 3 and not baseline.left_alone
    assert baseline.images.prompt == "a nurse" and baseline.images.numbers == (0, 1, 5)
    assert not np.array_equal(baseline.images.images, original.original.images)
    [(_, other_noise)] = generate(model, ["a female nurse"], (0, 1, 5), 0, None, **SETTINGS)
    assert not np.array_equal(baseline.images.images, other_noise)
    for values in (baseline.clip_text, baseline.clip_image, baseline.dino, baseline.outside):
        assert values.shape == (3,) and (values < 1 + 1e-6).all()


def test_each_picture_has_its_own_words_whatever_stands_beside_it(model):
    """Of a batch or alone, in any order."""
    together, alone = one(model, "a nurse", numbers=range(6)), one(model, "a nurse", numbers=(4,))
    assert set(together.prompts) == {"a female nurse", "a male nurse"} and together.prompts[4] == alone.prompts[0]
    assert np.abs(together.images.images[4].astype(int) - alone.images.images[0]).max() <= 1


def test_a_prompt_left_alone_is_the_original(model):
    baseline = one(model, "a landscape")
    [original] = compare(model, ["a landscape"], (0, 1, 5), 0, None, **SETTINGS)
    assert "no person" in baseline.left_alone and np.array_equal(baseline.images.images, original.original.images)
    assert baseline.clip_image == pytest.approx(1, abs=1e-5) and baseline.outside == pytest.approx(1, abs=1e-5)
    assert one(model, "a tall kind old nurse, ok").left_alone == TOO_LONG  # the tiny model reads 22 letters


def test_originals_are_painted_once_for_the_comparison_and_the_baseline(model, monkeypatch):
    originals = Originals()
    list(compare(model, ["a nurse"], (0, 1, 5), 0, None, **SETTINGS, originals=originals))
    monkeypatch.setattr("fairness_core.evaluation.baseline.look", None)
    assert one(model, "a nurse", originals=originals).prompts


def test_it_stops_when_asked(model):
    assert list(baselines(model, ["a nurse"], range(2), 0, lambda p: parity("gender"), **SETTINGS, should_stop=lambda: True)) == []


def test_a_comparison_tells_faces_apart_and_answers_questions():
    critics = tiny_critics()
    question = Question("Glasses", ("glasses", "none"), (("with", "wearing"), ("without",)))
    model = tiny_model(type(critics)(**{**vars(critics), "questions": (question,)}))
    [found] = compare(model, ["a nurse"], range(4), 0, None, **SETTINGS)
    assert np.linalg.norm(found.original.faces, axis=-1) == pytest.approx(1, abs=1e-5)
    assert set(found.original.answers["Glasses"]) <= {"glasses", "none"} and len(found.original.answers["Glasses"]) == 4
    assert found.outside == pytest.approx(1, abs=1e-5)  # no adapter: the same pictures
