"""One prompt in a sentence, and as a picture to hand on."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.runs import portraits

from fairness_core.about import About
from fairness_core.report import metrics_table, model_card
from fairness_core.report.share_card import HEIGHT, WIDTH, origin, share_card, told
from fairness_core.report.shares import controlled_shares, headline
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.config import FinetuneConfig

JUDGE = "a photo of the face of a judge, a person"
SIXTY = FinetuneConfig(prompts=(JUDGE,), marginals={"gender": {"female": .6, "male": .4}})
QUARTERS = dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)


def images(female: int, n: int = 16, faces: int = 16, height: int = 32) -> ImageSet:
    pictures = np.concatenate([portraits(n, female, height)] * 2, axis=2)[:, :, :height + 8]
    return ImageSet(JUDGE, tuple(range(n)), pictures, np.arange(n) < faces, np.zeros((n, 4)),
                    {"gender": np.eye(2)[(np.arange(n) >= female).astype(int)], "race": np.eye(4)[[2] * n]})


def comparison(before: int = 1, after: int = 13, **more) -> PromptComparison:
    return PromptComparison(JUDGE, True, images(before, **more), images(after, **more), *np.full((4, 16), .9))


def test_a_prompt_in_a_sentence():
    [women, men] = controlled_shares(comparison(), SIXTY)["gender"]
    assert women.sentence == "6 % to 81 % women, target 60 %" and men.label == "men"
    assert women.intervals == ("1 to 28 %", "57 to 93 %")


def test_a_prompt_with_a_target_of_its_own_is_told_with_it():
    own = replace(SIXTY, targets_by_prompt={JUDGE: {"gender": {"female": .3, "male": .7}}})
    assert controlled_shares(comparison(), own)["gender"][0].goal == "30 %"


def test_the_headline_is_the_class_that_was_furthest_from_its_target():
    config = replace(SIXTY, marginals=SIXTY.marginals | {"race": QUARTERS})
    found = controlled_shares(comparison(), config)
    assert headline(found["race"]).label == "Black people" and headline(found["gender"]).label == "women"


def test_no_face_is_said():
    share = headline(controlled_shares(comparison(faces=0), SIXTY)["gender"])
    assert share.sentence == "no face to no face women, target 60 %" and share.intervals == ("", "")


def test_a_card_tells_figure_interval_target_and_where_from():
    [(main, small)] = told(comparison(), SIXTY)
    assert main == "Perceived: 6 % to 81 % women, target 60 %"
    assert "95 % intervals 1 to 28 % before, 57 to 93 % after; 16 and 16 faces" in small
    lines = " ".join(origin(comparison(), SIXTY, 6, True, "26 Nov 2026"))
    for words in ("Built-in portraits (synthetic people)", "a recorded run", "26 Nov 2026", "the first 6 of 16 pairs",
                  "Made with Fair Portraits", "classifier, which errs", "★ not finetuned on"):
        assert words in lines


@pytest.mark.parametrize("config", [SIXTY, replace(SIXTY, marginals={}), replace(
    SIXTY, marginals=SIXTY.marginals | {"race": QUARTERS, "age": {"young": .75, "old": .25}})])
@pytest.mark.parametrize("n", [2, 16])
def test_a_card_is_a_picture_of_the_size_that_links_show(config, n):
    one = comparison(n=n, before=0, after=2)
    ages = {"age": np.eye(2)[[0] * n]}
    one = replace(one, **{side: replace(getattr(one, side), probabilities=getattr(one, side).probabilities | ages)
                          for side in ("original", "tuned")})
    card = share_card(one, config)
    assert card.size == (WIDTH, HEIGHT) and len(card.getcolors(WIDTH * HEIGHT)) > 100


def test_words_that_are_too_long_for_a_card_are_made_to_fit():
    assert share_card(replace(comparison(), prompt="a very long wish " * 40), replace(SIXTY, model="x" * 300)).size == (WIDTH, HEIGHT)


def test_the_hub_is_told_a_bias_only_at_parity():
    halves = replace(SIXTY, marginals={"gender": {"female": .5, "male": .5}})
    for config, listed in ((SIXTY, False), (halves, True)):
        card = model_card(config, metrics_table([comparison()], config.target()), About("X"))
        assert ("type: bias" in card) == listed and "type: total_variation" in card
