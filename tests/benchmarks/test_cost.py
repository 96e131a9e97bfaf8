"""The cost of a result on the tiny model: both ways from the same start, the clock only on the steps."""

from dataclasses import replace

import pytest
from helpers.fakes import tiny_model

from benchmarks import cost
from fairness_core.settings.config import FinetuneConfig

CONFIG = FinetuneConfig(
    model="tiny", prompts=("a nurse", "a chef", "a judge"), marginals={"gender": {"female": 0.5, "male": 0.5}},
    lora_rank=2, steps=3, images_per_prompt=4, prompts_per_step=2, sampling_steps=3, timesteps_per_update=1, noise_batches=1)
PLAN = cost.Plan(-1.0, "gender", ("a pilot", "a singer"), 4, 2)


@pytest.fixture(scope="module")
def points() -> list[cost.Point]:
    model = tiny_model()
    return [point for way in cost.STEPS for point in cost.approach(model, CONFIG, way, PLAN)]


def test_both_ways_start_alike_and_take_the_same_steps(points):
    engine, published = ([p for p in points if p.way == way] for way in cost.STEPS)
    assert [p.steps for p in engine] == [p.steps for p in published] == [0, 2, 3]
    assert engine[0].bias == published[0].bias
    for way in (engine, published):
        assert 0 == way[0].seconds < way[1].seconds < way[2].seconds


def test_it_stops_once_the_bias_is_reached():
    within_reach = replace(PLAN, bias=1.0)
    [only] = cost.approach(tiny_model(), CONFIG, "engine", within_reach)
    assert only.steps == 0 and 0 <= only.bias.mean <= 1


def test_the_table_says_what_was_reached_where_the_mark_was_not(points):
    text = cost.as_markdown(points, PLAN, "tiny", {"device": "a machine", "threads": 1, "cores": 2})
    [row] = [line for line in text.splitlines() if line.startswith("| published |")]
    assert row.endswith("| no |") and f"| {points[-1].words} | 3 |" in row
    assert "2 prompts not finetuned on, 4 images each" in text and "a fair model would score" in text
