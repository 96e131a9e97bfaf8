"""What was asked for is compared first, and what was left out is known."""

from dataclasses import replace

import pytest
from helpers.fake_engine import FakeModel, fake_engine
from helpers.jobs import request

from app.html.headlines import compared, headlines, names
from app.jobs.files import JobView
from app.requests import settings
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.prompts import load_concepts, prompt_for

CHEF, JUDGE, PILOT = map(prompt_for, ("chef", "judge", "pilot"))
CONFIG = FinetuneConfig(prompts=(CHEF, JUDGE, PILOT, "my barista"), marginals={"gender": {"female": .6, "male": .4}})


def painted(*prompts: str) -> tuple:
    found = fake_engine(0).compare(FakeModel(), list(prompts), range(8), 0, None)
    return tuple(replace(c, held_out=c.prompt not in CONFIG.prompts) for c in found)


def view(*prompts: str) -> JobView:
    return JobView("20260101-000000-abcdef", replace(request(), config=CONFIG), "finished", "", comparisons=painted(*prompts))


def test_typed_prompts_come_first_then_concepts_then_held_out_ones():
    found = settings.compare_prompts((CHEF, JUDGE, "my barista"), 2, 2)
    assert found[:2] == ("my barista", CHEF) and len(found) == 4
    assert set(found[2:]) <= set(map(prompt_for, load_concepts().held_out))


def test_every_typed_prompt_is_compared_even_where_fewer_are_asked_for():
    typed = tuple(f"wish {i}" for i in range(5))
    assert settings.compare_prompts((CHEF, *typed), 2, 0) == typed
    many = tuple(f"wish {i}" for i in range(30))
    assert settings.compare_prompts((CHEF, *many), 2, 0) == many[:settings.MOST_TYPED]
    assert settings.compare_prompts((CHEF, *many), 12, 0) == many[:12]


def test_what_was_left_out_is_said_finetuned_ones_first():
    shown = view("my barista", CHEF, prompt_for("nurse"))
    left_out = settings.left_out(shown)
    assert left_out[:2] == [JUDGE, PILOT] and prompt_for("nurse") not in left_out
    told = compared(shown.comparisons, CONFIG, left_out)
    for words in ("1 you typed", "1 of the concepts finetuned on", "1 not finetuned on", "Left out: 2 finetuned on (judge, pilot)",
                  "held out ("):
        assert words in told
    assert compared(shown.comparisons, CONFIG, []) == ""


def test_a_long_list_is_told_shortly():
    assert names([CHEF, JUDGE, PILOT, "a", "b", "c"]) == "chef, judge, pilot, a and 2 more"


@pytest.mark.parametrize(("prompts", "hidden"), [(3, 0), (8, 2)])
def test_a_headline_a_prompt_with_its_details_folded(prompts, hidden):
    html = headlines(painted(*(f"wish {i}" for i in range(prompts))), CONFIG)
    assert html.count('<span class="head">') == prompts and html.count(" women, target 60 %") == prompts
    assert html.count("<table") == prompts and html.count("<details>") == prompts
    assert (f"The other {hidden} prompts" in html) == bool(hidden)


def test_no_target_no_headline():
    assert headlines(painted(CHEF), replace(CONFIG, marginals={})) == ""


def test_what_people_typed_is_no_html():
    assert "<b>" not in headlines(painted("<b>bold</b>"), CONFIG)
