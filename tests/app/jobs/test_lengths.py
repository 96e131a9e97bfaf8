"""A prompt that the model would not read to its end: told while it is typed, refused before it is queued."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.fake_engine import fake_engine
from helpers.jobs import request

from app.jobs.files import JobError
from app.jobs.lengths import typed_note
from app.jobs.runner import JobRunner
from fairness_core.models.tokenizers import prompt_length

LONG = "nurse " * 39
ENGINE = replace(fake_engine(.01), prompt_length=prompt_length, find_model=lambda name: None)


@pytest.fixture
def runner(tmp_path: Path):
    runner = JobRunner(ENGINE, tmp_path / "runs", tmp_path / "recorded")
    yield runner
    runner.close()


def changed(**changes):
    asked = request()
    return replace(asked, config=replace(asked.config, **changes))


@pytest.mark.parametrize("asked", [
    changed(prompts=("a nurse", LONG)), changed(kept_prompts=(LONG,)), replace(request(), compare_prompts=("a nurse", LONG)),
    replace(request(), kind="compare", compare_prompts=(LONG,)), replace(request(), kind="lab", compare_prompts=(LONG, "a chef"))],
    ids=["finetuned on", "kept", "compared afterwards", "compared", "in the lab"])
def test_it_is_refused_at_once(runner, asked, tmp_path):
    with pytest.raises(JobError, match="is 1 token too long for this model, which reads 38: shorten it"):
        runner.submit(asked)
    assert list((tmp_path / "runs").glob("*")) == []


def test_soft_tokens_take_their_places(runner):
    with pytest.raises(JobError, match="which reads 33 beside the 5 soft tokens"):
        runner.submit(changed(prompts=("nurse " * 35,), tune="tokens"))
    runner.submit(changed(prompts=("nurse " * 35,)))


def test_an_adapter_is_not_brought_for_it(runner, tmp_path):
    with pytest.raises(JobError, match="shorten"):
        runner.bring(tmp_path / "their.safetensors", replace(request(), kind="adapter", compare_prompts=(LONG,)))


@pytest.mark.parametrize(("text", "words"), [
    ("", ""), ("a nurse", "36 of 38 tokens left."), ("nurse " * 38, "0 of 38 tokens left."),
    (LONG, "1 token too long for this model, which reads 38: shorten it."), ("a nurse\n\n" + LONG, "“nurse nurse nurse nurse")])
def test_what_is_left_is_told_while_it_is_typed(text, words):
    told = typed_note(ENGINE, "mini", text, 0)
    assert words in told if words else told == ""


def test_a_stranger_learns_nothing_of_this_machines_folders():
    strangers = replace(ENGINE, find_model=None)
    assert typed_note(strangers, "mini", "a nurse", 0) and typed_note(strangers, "assets/mini", "a nurse", 0) == ""
