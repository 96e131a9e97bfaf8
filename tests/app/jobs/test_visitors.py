"""What a shared Space lets a visitor ask for, and who is who."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext
from helpers.fake_engine import fake_engine
from helpers.jobs import lora, request, wait, wait_for_step

from app.jobs.limits import Cost, LimitError, Limits, cost, own_limits
from app.jobs.runner import JobRunner
from app.jobs.visitors import Visitors, address_of
from app.requests.settings import usable_model
from app.requests.settings_text import InputError

LIMITS = Limits(minutes=60, steps=10, images=200, jobs=2, queue=3, sampling_steps=20, images_per_prompt=8,
                upload_megabytes=1)
ONE, TWO = "203.0.113.7", "198.51.100.9"


def asking(address: str, forwarded: str = ""):
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    return SimpleNamespace(headers=headers, client=SimpleNamespace(host=address))


@pytest.fixture
def shared(tmp_path):
    """A runner with limits, and a way to be one visitor or another."""
    runner = JobRunner(fake_engine(.05), tmp_path / "runs", tmp_path / "none", Visitors(LIMITS))
    token = LocalContext.request.set(None)

    def visit(address: str) -> JobRunner:
        LocalContext.request.set(asking(address))
        return runner
    yield visit
    LocalContext.request.reset(token)
    runner.close()


def test_limits_hold_on_a_space_and_where_they_are_asked_for():
    assert own_limits({}) is None and own_limits({"SPACE_ID": "me/mine", "FAIRNESS_SHARED": "0"}) is None
    for environment in ({"SPACE_ID": "me/mine"}, {"FAIRNESS_SHARED": "1"}):
        limits = own_limits(environment)
        assert limits.steps >= 30 and limits.images >= 2000, "a Short run of the built-in model must be possible"
    with pytest.raises(ValueError, match="FAIRNESS_SHARED is 'yes'"):
        own_limits({"FAIRNESS_SHARED": "yes"})


def test_what_a_job_costs():
    finetune = request(steps=5)  # 4 images a step, then two prompts of 4 images by both models
    assert cost(finetune) == Cost(5, 5 * 4 + 16) and cost(finetune, done=3) == Cost(2, 2 * 4 + 16)
    assert cost(replace(finetune, kind="compare")) == Cost(0, 16)


def test_steps_are_counted_per_visitor(shared):
    wait(shared(ONE), shared(ONE).submit(request(steps=6)), "finished")
    with pytest.raises(LimitError, match="asks for 6 steps of finetuning, and 4 are left to you.*10 in 60 minutes"):
        shared(ONE).submit(request(steps=6))
    assert "(4 and 160 are left)" in shared(ONE).visitors.words()
    shared(TWO).submit(request(steps=6))
    shared(ONE).submit(request(steps=4))


def test_images_are_counted(shared):
    with pytest.raises(LimitError, match="asks for 256 images, and 200 are left"):
        shared(ONE).submit(replace(request(), kind="compare", images=64))


def test_a_visitor_waits_for_at_most_two_and_all_for_at_most_three(shared):
    for _ in range(2):
        shared(ONE).submit(request(steps=3))
    with pytest.raises(LimitError, match="2 of your runs are waiting or running"):
        shared(ONE).submit(request(steps=1))
    shared(TWO).submit(request(steps=1))
    with pytest.raises(LimitError, match="3 runs are waiting already"):
        shared(TWO).submit(request(steps=1))


@pytest.mark.parametrize(("setting", "words"), [({"sampling_steps": 60}, "60 sampling steps"), (
    {"comparison_steps": 60}, "60 sampling steps"), ({"images_per_prompt": 9}, "9 images per prompt")])
def test_single_steps_stay_small(shared, setting, words):
    asked = request(steps=1)
    with pytest.raises(LimitError, match=f"{words} are too many for a shared Space.*your own machine"):
        shared(ONE).submit(replace(asked, config=replace(asked.config, **setting)))


def test_a_model_of_the_visitors_own_is_for_their_own_machine(shared):
    asked = request(steps=1)
    with pytest.raises(LimitError, match="'/etc' is no model of this shared Space: choose among mini"):
        shared(ONE).submit(replace(asked, config=replace(asked.config, model="/etc")))


def test_only_who_asked_stops_deletes_and_lists_a_run(shared):
    job_id = shared(ONE).submit(request(steps=8))
    wait_for_step(shared(ONE), job_id, 1)
    for touch in (lambda runner: runner.stop(job_id), lambda runner: runner.keep(job_id, "mine now")):
        with pytest.raises(LimitError, match="is not yours"):
            touch(shared(TWO))
    assert shared(TWO).history() == [] and [line.job_id for line in shared(ONE).history()] == [job_id]
    shared(ONE).stop(job_id)
    wait(shared(ONE), job_id, "stopped")
    with pytest.raises(LimitError, match="is not yours"):
        shared(TWO).delete(job_id)
    assert shared(TWO).view(job_id).state == "stopped", "who has the link can see it"
    shared(ONE).delete(job_id)


def test_what_is_remembered_of_visitors_does_not_grow(shared):
    visitors = shared(ONE).visitors
    for name in ("first", "second"):
        visitors.asked = [replace(asked, at=asked.at - 3601) for asked in visitors.asked]  # an hour goes by
        job_id = shared(ONE).submit(replace(request(name), kind="compare"))
        wait(shared(ONE), job_id, "finished")
    assert len(visitors.asked) == 1, "what is older than the hour that counts is forgotten"
    assert len(visitors.owners) == 2, "whose run it is, is not"
    shared(ONE).delete(job_id)
    assert len(visitors.owners) == 1


def test_at_home_nothing_is_remembered(tmp_path, shared):
    shared(ONE)
    runner = JobRunner(fake_engine(.01), tmp_path / "home", tmp_path / "none")
    job_id = runner.submit(request())
    wait(runner, job_id, "finished")
    runner.keep(job_id, "kept")
    assert (runner.visitors.asked, runner.visitors.owners) == ([], {})
    runner.close()


def test_an_adapter_that_is_refused_leaves_nothing_behind(shared, tmp_path):
    asked = replace(request(), kind="adapter", images=100)
    with pytest.raises(LimitError, match="asks for 400 images"):
        shared(ONE).bring(lora(tmp_path / "found.safetensors"), asked)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_checkpoint_is_listed_to_who_kept_it(shared):
    job_id = shared(ONE).submit(request(steps=8))
    wait_for_step(shared(ONE), job_id, 1)
    shared(ONE).keep(job_id, "early")
    wait(shared(ONE), job_id, "finished")
    shared(ONE).keep(job_id, "late")
    assert {line.request.name for line in shared(ONE).history()} == {"", "early", "late"}
    assert shared(TWO).history() == []


def test_nothing_is_limited_at_home(tmp_path):
    runner = JobRunner(fake_engine(.05), tmp_path / "runs", tmp_path / "none")
    for _ in range(4):
        runner.submit(request(steps=600))
    assert runner.visitors.words() == "" and len(runner.history()) == 4
    runner.close()


@pytest.mark.parametrize(("connection", "forwarded", "address"), [
    (ONE, "", ONE), ("10.16.4.9", "", "10.16.4.9"),
    ("10.16.4.9", ONE, ONE), ("10.16.4.9", f"{TWO}, {ONE}, 10.16.1.1", ONE),  # the first could be the visitor's invention
    (ONE, TWO, ONE),  # no proxy is in between
    ("2001:db8:7:1:aaaa::1", "", "2001:db8:7:1::/64"), ("", "", "unknown")])
def test_who_is_who(connection, forwarded, address, monkeypatch):
    monkeypatch.setattr("app.jobs.visitors.is_public", lambda text: text in (ONE, TWO))  # addresses kept for documents
    assert address_of(asking(connection, forwarded)) == address


def test_an_address_that_is_no_address_is_passed_over():
    assert address_of(asking("127.0.0.1", "<script>, 8.8.8.8, unknown")) == "8.8.8.8"


def test_strangers_choose_among_the_listed_models_only(tmp_path):
    engine = replace(fake_engine(.05), find_model=lambda name: pytest.fail("a stranger's path was looked at"))
    runner = JobRunner(engine, tmp_path / "runs", tmp_path / "none", Visitors(LIMITS))
    with pytest.raises(InputError, match="Unknown model '/etc'"):
        usable_model("/etc", runner.engine)
    runner.close()
