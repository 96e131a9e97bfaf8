"""The gallery of a prompt whose pictures are not all at hand."""

from dataclasses import replace

import pytest
from helpers.fake_engine import FakeModel, fake_engine

from app.html import measures, pictures
from fairness_core.results import PromptComparison
from fairness_core.settings.config import FinetuneConfig

PROMPT = "a photo of the face of a chef, a person"
CONFIG = FinetuneConfig(prompts=(PROMPT,), marginals={"gender": {"female": .5, "male": .5}})


@pytest.fixture
def whole() -> PromptComparison:
    [comparison] = fake_engine(0).compare(FakeModel(), [PROMPT], range(8), 0, None)
    return comparison


@pytest.fixture
def light(whole) -> PromptComparison:
    return replace(whole, **{side: replace(getattr(whole, side), images=getattr(whole, side).images[:5])
                             for side in ("original", "tuned")})


def test_the_gallery_shows_the_pictures_there_are_and_says_of_how_many(whole, light):
    html = pictures.pairs(light, ["gender"])
    assert html.count('class="pair"') == 5 and "The first 5 of 8 pairs; every figure is of all 8." in html
    assert "The first" not in pictures.pairs(whole, ["gender"])


def test_figures_are_of_all_images(whole, light):
    assert measures.table([light], CONFIG) == measures.table([whole], CONFIG)
