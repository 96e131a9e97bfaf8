"""A finetune while it learns, and played again: pure functions, read back as text."""

import re
from dataclasses import replace

import numpy as np
from helpers.fake_engine import film_strips

from app.html.legend import legend
from app.html.live import live_bars, live_pairs, steps_counted
from app.html.pictures import film
from app.html.reel import MOST_FRAMES, reel
from fairness_core.events import FilmStrip, StepDone
from fairness_core.settings.config import FinetuneConfig

CONFIG = FinetuneConfig(prompts=("a barista", "a judge"), marginals={"gender": {"female": .6, "male": .4}}, steps=12)
STRIPS = [strip for step in (0, 5, 10) for strip in film_strips(CONFIG, step)]


def step(number: int, women: int, before: int = 12, **more) -> StepDone:
    return StepDone(number, 12, 1.0, "a judge", {}, {}, 100, 100, seen={"gender": [women, 100 - women]} | more,
                    seen_before={"gender": [before, 100 - before]} | more)


def test_step_0_is_beside_now_prompt_by_prompt_with_who_is_seen():
    html = live_pairs(STRIPS, CONFIG)
    assert re.findall(r"<h3>“([^”]+)”", html) == ["a barista", "a judge"]
    assert html.count("left at step 0, right now, at step 10") == 2 and html.count('class="pair"') == 8
    assert re.search('alt="step 10 no. 3: (Fem|M)ale"', html) and "Female" in html
    assert "WMELH (" not in html and "Hispanic" in live_pairs(STRIPS, replace(CONFIG, marginals={
        "race": dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)}))


def test_before_the_second_strip_its_place_is_held():
    html = live_pairs(STRIPS[:2], CONFIG)
    assert html.count("step 5 comes here") == 8 and html.count("<img") == 8
    assert "step 3 comes here" in live_pairs(STRIPS[:2], replace(CONFIG, steps=3)), "the last step, where it is sooner"
    assert "being painted" in live_pairs((), CONFIG)


def test_strips_recorded_without_who_is_seen_name_nobody():
    bare = [FilmStrip(s, "a judge", np.zeros((3, 8, 8, 3), np.uint8)) for s in (5, 10)]
    assert "no face" not in live_pairs(bare, CONFIG) and "no face" not in reel(bare, CONFIG)


def test_a_bar_tells_before_now_and_target_and_comes_from_where_it_was():
    html = live_bars([step(n, women) for n, women in enumerate((12, 20, 30, 40, 50, 60), 1)], CONFIG)
    assert "women 12 % → 45 %, target 60 %" in html  # of the last four steps
    assert "--from: 35.0%; --to: 45.0%" in html and "400 faces" in html and html.count('class="meter"') == 1
    assert "left: 12.0%" in html and "left: 60.0%" in html
    assert re.search(r"\(40 to 50 %, 400 faces\)", html)


def test_two_classes_have_one_bar_and_more_have_one_each():
    config = replace(CONFIG, marginals=CONFIG.marginals | {"race": dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)})
    html = live_bars([step(1, 50, race=[70, 10, 10, 10])], config)
    assert html.count('class="meter"') == 5 and "Black people 10 % → 10 %, target 25 %" in html


def test_nobody_counted_and_own_targets():
    assert live_bars([], CONFIG) == "" and live_bars([StepDone(1, 12, 1., "a", {}, {}, 8, 8)], CONFIG) == ""
    own = replace(CONFIG, targets_by_prompt={"a judge": {"gender": {"female": .2, "male": .8}}})
    html = live_bars([step(1, 50)], own)
    assert "target 60" not in html and "a target of its own" in html


def test_as_many_steps_are_counted_as_visit_every_prompt():
    assert [steps_counted(replace(CONFIG, prompts=("a",) * n, prompts_per_step=6)) for n in (2, 32, 200)] == [4, 6, 10]


def test_the_reel_plays_every_moment_or_as_many_as_can_be_sent():
    html = reel(STRIPS, CONFIG)
    assert re.findall('class="frame-step">([^<]+)<', html) == [
        "As the model was", "After 5 of 12 steps", "After 10 of 12 steps"]
    long = [strip for step in range(0, 300, 5) for strip in film_strips(CONFIG, step)]
    steps = re.findall(r"(As the model was|After \d+) ?", reel(long, CONFIG))
    assert len(steps) == MOST_FRAMES and steps[0] == "As the model was" and steps[-1] == "After 295"
    assert reel((), CONFIG) == ""


def test_the_film_strip_has_two_rows_a_prompt():
    html = film(STRIPS, 4)
    assert re.findall(r"<span>step (\d+)</span>", html) == ["0", "5", "0", "5"] and "“a barista”" in html


def test_colours_are_named_and_abbreviations_told():
    html = legend(["gender", "race"])
    assert "F Female" in html and "M Male" in html and "WMELH (White, Middle Eastern, Latino or Hispanic)" in html
    assert 'class="swatch striped" style="--colour: #d62728"' in html and legend([]) == ""
