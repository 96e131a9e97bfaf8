"""The gallery and the large pair of a prompt whose pictures are not all at hand."""

from dataclasses import replace

import pytest
from helpers.fake_engine import FakeModel, fake_engine

from app.html import measures, pictures
from app.jobs.files import FINISHED, JobRequest, JobView
from app.rooms.pair import PairPart
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


def test_the_pair_slider_ends_at_the_last_picture(whole, light):
    shown = JobView("a", JobRequest("finetune", CONFIG, (PROMPT,), images=8), FINISHED, "", comparisons=(light,))
    pieces = PairPart(None, None).pieces(shown, light, ["gender"], {"number": 7})
    number = pieces["number"].draw()
    assert (number["maximum"], number["value"]) == (4, 4)
    assert PairPart(None, None).pieces(shown, whole, ["gender"], {"number": 7})["number"].draw()["maximum"] == 7


def test_figures_are_of_all_images(whole, light):
    assert measures.table([light], CONFIG) == measures.table([whole], CONFIG)
