"""What is seen first: the prompt whose change shows most, its figure in a sentence, and its pairs."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.fake_engine import image_set

from app.html.first_look import PAIRS, first_look, greatest_change
from fairness_core.results import PromptComparison
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.prompts import prompt_for

CONFIG = FinetuneConfig(marginals={"gender": {"female": .5, "male": .5}})
REST = {"race": (.7, .1, .1, .1), "age": (.6, .4)}


def compared(concept: str, before: float, after: float, n: int = 60, pictures: int = 24) -> PromptComparison:
    """before, after: the share of women."""
    prompt = prompt_for(concept)
    sides = [image_set(prompt, range(n), seed, {"gender": (share, 1 - share), **REST})
             for seed, share in enumerate((before, after))]
    sides = [replace(side, images=side.images[:pictures], found=np.ones(n, bool)) for side in sides]
    return PromptComparison(prompt, False, *sides, *np.ones((4, n)))


def test_the_prompt_that_came_furthest_is_shown_not_the_first():
    told = [compared("doctor", .1, .15), compared("firefighter", .05, .5), compared("nurse", .5, .5)]
    change = greatest_change(told, CONFIG)
    assert change.comparison.prompt == prompt_for("firefighter") and change.kind.who == "women" and change.target == .5


def test_what_has_arrived_is_shown_before_what_came_farther_and_has_far_to_go():
    config = FinetuneConfig(marginals={"gender": {"female": 1.0, "male": 0.0}})
    told = [compared("firefighter", .0, .6), compared("nurse", .5, 1.)]
    assert greatest_change(told, config).comparison.prompt == prompt_for("nurse")


def test_what_moved_away_from_the_target_is_not_shown():
    assert greatest_change([compared("nurse", .5, 1.), compared("chef", .3, .45)], CONFIG).comparison.prompt == prompt_for("chef")


def test_a_prompt_without_faces_in_the_pictures_shown_is_not_shown():
    faceless = compared("firefighter", .05, .5)
    found = np.arange(60) >= PAIRS
    faceless = replace(faceless, tuned=replace(faceless.tuned, found=found))
    assert greatest_change([faceless, compared("doctor", .1, .3)], CONFIG).comparison.prompt == prompt_for("doctor")
    assert greatest_change([faceless], CONFIG) is None
    assert "Hardly a face" in first_look([faceless], CONFIG, "Your run.")


def test_a_change_only_in_the_pictures_that_are_not_kept_does_not_count():
    late = compared("firefighter", .02, .9)
    probabilities = {name: p.copy() for name, p in late.tuned.probabilities.items()}
    probabilities["gender"][:PAIRS] = late.original.probabilities["gender"][:PAIRS]
    late = replace(late, tuned=replace(late.tuned, probabilities=probabilities))
    assert greatest_change([late, compared("doctor", .1, .4)], CONFIG).comparison.prompt == prompt_for("doctor")


def test_the_sentence_has_the_figure_the_target_intervals_and_numbers():
    one = compared("firefighter", .05, .5)
    before, after = ((s.labels("gender") == 0).sum() for s in (one.original, one.tuned))
    html = first_look([one, compared("doctor", .1, .1)], CONFIG, "Recorded run.")
    assert f"“firefighter”: <b>{100 * before / 60:.0f} %</b> to <b>{100 * after / 60:.0f} %</b> women, target 50 %" in html
    assert f"{before} of 60 before (95 % interval " in html and f"{after} of 60 after" in html
    assert "Recorded run." in html and "least of 2 compared" in html and "none picked out" in html
    assert html.count('class="pair"') == PAIRS and html.count("<img") == 2 * PAIRS
    assert 'alt="original no. 0: Male"' in html or 'alt="original no. 0: Female"' in html


@pytest.mark.parametrize("config", [FinetuneConfig(), FinetuneConfig(
    marginals=CONFIG.marginals, targets_by_prompt={prompt_for("chef"): {"gender": {"female": .9, "male": .1}}})])
def test_without_a_target_and_with_one_of_its_own(config):
    html = first_look([compared("chef", .1, .8)], config, "")
    assert ("target 90 %" in html) == bool(config.targets_by_prompt) and "women" in html
