"""Publishing from the page: whatever goes wrong is told, and the token stays nowhere."""

import logging

import pytest
from helpers.jobs import request, wait

from app.rooms.desk import Desk
from app.rooms.hub import HubPart
from fairness_core import runs

TOKEN = "hf_" + "b2" * 17


@pytest.fixture
def part(make) -> tuple[HubPart, dict]:
    """The room, and what the page holds when Publish is pressed for a finished run."""
    runner = make()
    view = wait(runner, runner.submit(request()), "finished")
    return HubPart(Desk(runner)), {"run": view.job_id, "hub_name": "ada/fair", "hub_token": f" {TOKEN}\n", "hub_private": True}


@pytest.mark.parametrize("error", [
    runs.HubError("The hub refused."), OSError("no route to host"), KeyError("folder"), RuntimeError(f"bad token {TOKEN}"),
    TypeError("an argument"), AttributeError("no such thing"), MemoryError("too large")])
def test_every_failure_is_told_and_the_token_leaves_the_page(part, monkeypatch, caplog, error):
    room, values = part

    def fail(*_):
        raise error

    monkeypatch.setattr(runs, "push", fail)
    with caplog.at_level(logging.DEBUG):
        updates = room.push(values)
    assert updates["hub_token"] == "" and 'role="alert"' in updates["hub_note"] and "Nothing was changed" in updates["hub_note"]
    foreseen = isinstance(error, ValueError | OSError)
    assert ("Traceback" in caplog.text) != foreseen, "what nobody foresaw is for whoever keeps the server"
    assert TOKEN not in str(updates) + caplog.text


def test_a_run_that_is_gone_is_told_as_well(part):
    room, values = part
    updates = room.push(values | {"run": "20000101-000000-000000"})
    assert updates["hub_token"] == "" and 'role="alert"' in updates["hub_note"]
