"""A run that is opened comes to its own tab, with the settings by which Start would repeat it."""

from dataclasses import replace

import pytest
from helpers.jobs import request, wait

from app.html import render
from app.jobs.files import JobRequest
from app.jobs.lab import LAB
from app.requests import settings
from app.rooms.desk import Desk
from app.rooms.must_not_move import CHECK, panel_request
from app.rooms.opening import OPENED, place_of, settings_of
from app.rooms.runs import RunsRoom
from fairness_core.settings.config import FinetuneConfig, LossWeights
from fairness_core.settings.prompts import prompt_for

CHEF, JUDGE, NURSE = map(prompt_for, ("chef", "judge", "nurse"))
GENDER = {"gender": {"female": .6, "male": .4}}
JOINT = [[.1, .2], [.3, .1], [.1, .1], [.05, .05]]
CONFIGS = {
    "typed": {"prompts": (CHEF, JUDGE, "my barista", "a judge in the rain"), "marginals": GENDER},
    "shares of a third": {"prompts": (CHEF,), "marginals": {"gender": {"female": 1 / 3, "male": 2 / 3}}},
    "combinations": {"prompts": (CHEF, JUDGE), "joint": JOINT, "joint_attributes": ("race", "gender")},
    "own targets": {"prompts": (CHEF, JUDGE), "marginals": GENDER,
                    "targets_by_prompt": {CHEF: {"gender": {"female": .2, "male": .8}}}},
    "other settings": {"prompts": (CHEF,), "marginals": GENDER | {"age": {"young": .75, "old": .25}}, "steps": 3, "seed": 7,
                       "tune": "unet", "weight_decay": .5, "training_guidance_scale": 2.5,
                       "losses": LossWeights(semantics=1, face=2, confidence=.3)}}


@pytest.fixture
def desk(make) -> Desk:
    return Desk(make())


def finished(desk: Desk, asked: JobRequest):
    return wait(desk.runner, desk.runner.submit(asked), "finished")


def asked(desk: Desk, config: FinetuneConfig) -> JobRequest:
    return JobRequest("finetune", config, settings.compare_prompts(config.prompts, 1, 2), images=4, seed=config.seed)


def values(updates: dict) -> dict:
    """As the page holds them after these updates."""
    return {name: value["value"] if isinstance(value, dict) and "value" in value else value
            for name, value in updates.items()} | {"joint:pair": updates.get("joint:pair", {}).get("value")}


@pytest.mark.parametrize("name", CONFIGS)
def test_start_would_repeat_the_run(desk, name):
    config = replace(desk.presets["mini-short"].config, **{"steps": 2} | CONFIGS[name])
    run = finished(desk, asked(desk, config))
    restored = settings_of(desk, run)
    assert set(restored) <= set(OPENED)
    again = settings.finetune_request(values(restored), desk.length(values(restored)).config)
    assert replace(again, config=replace(again.config, film_prompts=())) == run.request
    assert f"run {run.job_id}" in restored["loaded_note"]


def test_a_run_of_a_length_comes_back_with_that_length_and_preset(desk):
    config = replace(desk.presets["mini-short"].config, prompts=(CHEF,), marginals={"gender": {"female": .5, "male": .5}})
    restored = settings_of(desk, finished(desk, asked(desk, config)))
    assert restored["length"] == restored["filled_for"] == "mini-short" and restored["target_preset"] == "Gender parity"
    other = settings_of(desk, finished(desk, asked(desk, replace(config, steps=3))))
    assert other["length"] is None and other["filled_for"] == ""


def test_a_comparison_restores_the_settings_of_its_finetune(desk):
    run = finished(desk, asked(desk, replace(desk.presets["mini-short"].config, prompts=(CHEF,), marginals=GENDER, steps=2)))
    compared = finished(desk, settings.again(run, extends="", strength=.5))
    assert settings_of(desk, compared)["gender:female"] == 60 == settings_of(desk, run)["gender:female"]


def test_what_must_not_move_and_the_lab_open_in_their_own_tabs(desk):
    run = finished(desk, request())
    check = finished(desk, panel_request(run))
    lab = finished(desk, JobRequest(LAB, replace(run.request.config, marginals={}, prompts=(), steps=1), (CHEF, NURSE), images=1))
    assert check.request.kind == CHECK
    assert place_of(desk, check.job_id) | {"tabs": 0} == {"tabs": 0, "job_id": run.job_id, "check_id": check.job_id}
    assert place_of(desk, check.job_id)["tabs"]["selected"] == "must-not-move"
    assert place_of(desk, lab.job_id) | {"tabs": 0} == {"tabs": 0, "job_id": "", "lab_id": lab.job_id}
    assert place_of(desk, lab.job_id)["tabs"]["selected"] == "lab"
    assert "prompts compared" not in render.status_words(lab)
    assert settings_of(desk, lab) == settings_of(desk, check) == settings_of(desk, None) == {}
    assert place_of(desk, run.job_id)["tabs"]["selected"] == "balance"


def test_a_panel_of_a_finetune_that_is_gone_opens_all_the_same(desk):
    run = finished(desk, request())
    check = finished(desk, panel_request(run))
    desk.runner.delete(run.job_id)
    assert place_of(desk, check.job_id)["job_id"] == ""


def test_an_unknown_run_is_left_to_the_balance_page_which_says_so(desk):
    assert place_of(desk, "20200101-000000-abcdef")["job_id"] == "20200101-000000-abcdef"


def test_settings_that_the_page_has_no_fields_for_are_told(desk):
    tied = [[[.5, 0], [0, 0]], [[0, 0], [0, .5]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    config = replace(desk.presets["mini-short"].config, prompts=(CHEF,), steps=2, joint=tied, marginals={},
                     joint_attributes=("race", "gender", "age"))
    restored = settings_of(desk, finished(desk, asked(desk, config)))
    assert set(restored) == {"loaded_note"} and "three attributes" in restored["loaded_note"]


def test_a_run_is_renamed_and_found_by_its_name(desk):
    run, room = finished(desk, request()), RunsRoom(desk)
    listed = room.rename({"run": run.job_id, "run_name": "  judges   first ", "job_id": ""})
    assert "“judges first”" in listed["runs"] and listed["run_name"] == "judges first"
    assert desk.runner.view(run.job_id).comparisons, "all else stays"
    refused = room.rename({"run": run.job_id, "run_name": " ", "job_id": ""})
    assert set(refused) == {"runs_banner"} and "1 to 60 characters" in refused["runs_banner"]
