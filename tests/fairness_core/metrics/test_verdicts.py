"""The verdict: an interval that holds the true distance decides, for any number of classes and prompts."""

import re

import numpy as np
import pytest

from fairness_core.metrics import distance_to_target, verdict
from fairness_core.metrics.verdicts import MOST_IMAGES, distance_interval, likely_frequencies

HALF, QUARTERS = np.full(2, 0.5), np.full(4, 0.25)


@pytest.mark.parametrize("counts, target, status", [
    ([200, 200], HALF, "reached"), ([8, 8], HALF, "cannot tell"), ([16, 0], HALF, "not yet"),
    ([90, 10], HALF, "not yet"), ([60, 0], [1, 0], "reached"), ([2, 1], [1, 0], "cannot tell"),
    ([250, 245, 255, 250], QUARTERS, "reached"), ([80, 10, 5, 5], QUARTERS, "not yet"), ([0, 0], HALF, "cannot tell"),
    ([[60, 60], [50, 50]], HALF, "reached"), ([[40, 0], [0, 40]], HALF, "not yet"),
])
def test_verdicts(counts, target, status):
    found = verdict(np.array(counts), np.array(target))
    assert found.status == status and (found.images_needed > 0) == (status == "cannot tell")
    assert found.low <= found.distance <= found.high


def test_each_prompt_is_judged_by_its_own_target():
    counts, own = np.array([[180, 20], [80, 120]]), np.array([[0.9, 0.1], [0.4, 0.6]])
    assert verdict(counts, own).status == "reached" and verdict(counts, own).distance == 0
    assert verdict(counts, own[::-1]).status == verdict(counts, HALF).status == "not yet"
    few = verdict(counts // 20, own)
    assert few.status == "cannot tell" and few.images_needed > 0


def test_every_sentence_holds_the_figure_and_its_interval():
    for counts, opening in (([200, 200], "target reached: "), ([90, 10], "not yet: "),
                            ([8, 8], "cannot tell yet with 16 images (about ")):
        found = verdict(np.array(counts), HALF)
        assert found.sentence.startswith(opening)
        told = re.search(r"(\d+) % of the images would have to change class \(95 % interval (\d+) to (\d+) %\)", found.sentence)
        assert [int(x) for x in told.groups()] == [round(100 * x) for x in (found.distance, found.low, found.high)]


def test_advice_for_several_prompts_is_per_prompt():
    found = verdict(np.array([[4, 4], [5, 3]]), HALF)
    assert found.sentence.startswith(f"cannot tell yet with 8 images a prompt (about {found.images_needed} more): ")


@pytest.mark.parametrize("counts, target", [([8, 8], HALF), ([[5, 3], [6, 2], [4, 4]], HALF), ([9, 3, 2, 2], QUARTERS)])
def test_as_many_images_as_advised_mostly_tell(counts, target):
    counts = np.atleast_2d(counts)
    found = verdict(counts, target)
    assert found.status == "cannot tell"
    n = counts.sum(1) + found.images_needed
    rng, told = np.random.default_rng(0), 0
    for _ in range(100):
        drawn = np.stack([rng.multinomial(*one) for one in zip(n, likely_frequencies(counts, target))])
        told += verdict(drawn, target).status != "cannot tell"
    assert told > 40  # the rule asks for the expected distance: half of the draws lie beyond it


def test_a_distance_at_the_tolerance_asks_for_the_most():
    found = verdict(np.array([600, 400]), HALF)
    assert found.images_needed == MOST_IMAGES and "may not tell" in found.sentence


def test_prompts_without_a_face_do_not_count():
    alone, beside = distance_interval(np.array([[30, 10]]), HALF), distance_interval(np.array([[30, 10], [0, 0]]), HALF)
    assert alone == beside


EDGES = {  # every model is at a distance of exactly 0.1
    "two classes": ([[0.6, 0.4]], HALF), "one class too often": ([[0.35, 0.25, 0.25, 0.15]], QUARTERS),
    "two classes too often": ([[0.3, 0.3, 0.2, 0.2]], QUARTERS), "a rare class": ([[0.85, 0.15]], np.array([0.75, 0.25])),
    "one prompt of five far off": ([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], HALF),
    "all prompts alike": ([[0.35, 0.25, 0.25, 0.15]] * 6, QUARTERS)}


@pytest.mark.parametrize("n", [12, 60])
@pytest.mark.parametrize("case", EDGES)
def test_verdicts_are_seldom_wrong(case, n):
    """A model at the tolerance's edge is called reached, or not yet, in 2.5 % of the cases at most, each."""
    models, target = EDGES[case]
    assert np.mean([distance_to_target(m, target) for m in models]) == pytest.approx(0.1)
    rng = np.random.default_rng(2)
    drawn = np.stack([rng.multinomial(n, model, 400) for model in models], 1)
    found = [distance_interval(counts, target) for counts in drawn]
    assert np.mean([one.high < 0.1 for one in found]) <= 0.04 and np.mean([one.low > 0.1 for one in found]) <= 0.04
