"""Whatever a field holds, the page answers: every handler of the page is asked with what no room expects, and none may
answer with an error."""

import json
import math
from collections.abc import Iterator

import gradio as gr
import httpx
import pytest
from helpers.fake_engine import Pace, fake_engine
from helpers.jobs import request, wait

from app.layout import build_app

HUGE, LONG, HALF_A_PAIR = 10**400, "x" * 20_000, "\ud800"
WRONG = (None, "", -20, 33.3, 1e300, HUGE, math.nan, math.inf, True, "elf", LONG, HALF_A_PAIR, "nul\0", [], [None, 7], ["elf"],
         {}, {"a": 1}, "../../etc/passwd", "gender:elf", "20200101-000000-abcdef")
FILES = (None,)  # an upload is a file's record, which gradio itself makes, and refuses before any handler hears of it


@pytest.fixture(scope="module")
def served(serve_all):
    """With a finished run, and one that goes on: whatever is right by chance waits behind it, and need not be done."""
    pace = Pace(hold=request().config.steps + 1)
    served = serve_all(fake_engine(.001, pace=pace))
    job_id = served.runner.submit(request())
    wait(served.runner, job_id, "finished")
    pace.hold = 1
    served.runner.submit(request())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.jobs.runner.MOST_QUEUED", 3)
        yield served, job_id


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> list[gr.blocks.BlockFunction]:
    """Every touch that is answered by the server, but for those that other programs call."""
    root = tmp_path_factory.mktemp("page")
    demo = build_app(fake_engine(), root / "runs", root / "recorded")
    demo.runner.close()
    return [event for event in demo.fns.values() if event.fn and event.api_visibility == "private"]


def wrong(component) -> tuple:
    return FILES if isinstance(component, gr.UploadButton | gr.File) else WRONG


def usual(component, shown: dict):
    """What a field holds on the page of that run, which shows all that there is to show."""
    if isinstance(component, gr.UploadButton | gr.File | gr.BrowserState):
        return None
    return shown.get(component.elem_id or type(component), component.value)


def everything_wrong(event, shown: dict, watched: list) -> Iterator[list]:
    """All fields hold the same: each touch is sent every third of what is wrong, the next ones the others."""
    for i in range(event._id % 3, len(WRONG), 3):
        yield [wrong(c)[i % len(wrong(c))] for c in event.inputs]


def one_wrong(event, shown: dict, watched: list) -> Iterator[list]:
    """One field does, and all others what they hold at first. What every refresh looks at is tried with the tick alone."""
    for i in (i for i, c in enumerate(event.inputs) if event.inputs == watched or c not in watched):
        sent = [usual(c, shown) for c in event.inputs]
        yield sent[:i] + [wrong(event.inputs[i])[i % len(wrong(event.inputs[i]))]] + sent[i + 1:]


def answer(client: httpx.Client, event, data: list) -> httpx.Response:
    return client.post("/gradio_api/run/predict", content=json.dumps(
        {"fn_index": event._id, "data": data, "session_hash": "fuzz"}), headers={"content-type": "application/json"})


@pytest.mark.parametrize("how", [everything_wrong, one_wrong])
def test_no_handler_answers_with_an_error(served, events, how):
    assert len(events) > 40
    (served, job_id), errors = served, set()
    shown = {"job-id": job_id}
    tick = next(event for event in events if any(name == "tick" for _, name in event.targets))
    with httpx.Client(base_url=served.url, timeout=60) as client:
        first = answer(client, tick, [usual(c, shown) for c in tick.inputs]).json()["data"]
        shown[gr.JSON] = first[[type(c) for c in tick.outputs].index(gr.JSON)]
        assert len(shown[gr.JSON]) > 40
        for event in events:
            for data in how(event, shown, tick.inputs):
                if (told := answer(client, event, data)).status_code != 200:
                    touched = [component.elem_id for component in event.inputs][-3:]
                    errors.add(f"{event.targets} with fields such as {touched}: {told.text[:200]}")
    assert not errors, "\n".join(sorted(errors))
