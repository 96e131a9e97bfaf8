"""Clients and assistants send anything: every argument of every endpoint answers what it takes, in plain words."""

import asyncio
import json
import math
import re
from dataclasses import replace

import httpx
import pytest
from gradio_client import Client
from helpers.fake_engine import fake_engine
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from fairness_core.models.registry import entry_for

HUGE, LONG, HALF_A_PAIR = 10**30, "x" * 20_000, "\ud800"
TEXT = (None, 5, 1.5, True, [], {}, ["a"], {"a": 1}, math.nan, LONG, HALF_A_PAIR)
WHOLE = (None, "aaaa", "", [], {}, [1], True, 1.5, math.nan, math.inf, 1e300, -2, LONG)
REAL = (None, "aaaa", "", [], {}, [1], True, math.nan, math.inf, -math.inf, 1e300, -2)
TEXTS = (None, "nurse", 5, True, {}, {"a": 1}, [1], [None], [["a"]], [LONG], ["a"] * 1000, [HALF_A_PAIR], math.nan)
GENDER = (None, "a", 5, [], {"male": "aaaa"}, {"male": None}, {"male": []}, {"male": True}, {"male": math.nan},
          {"male": -10, "female": 110}, {"male": 1e300}, {LONG: 100})
SHARES = (None, "x", 5, True, [], [1], math.nan, {LONG: {}}, *({"gender": wrong} for wrong in GENDER))
TAKES = {  # by argument: values that it does not take, and what it does, as it says
    "targets": (SHARES, 'percents from 0 to 100 per attribute and class, such as {"gender": {"female": 50, "male": 50}}'),
    "prompts": (TEXTS, 'a list of at most 200 texts, such as ["nurse", "a photo of a judge"]'),
    "length": (TEXT, 'the name of a length, such as "Short"'),
    "model": ((*TEXT, "nul\0"), 'the name of a model from /models, such as "mini"'),
    "seed": ((*WHOLE, HUGE, 2**31), "a whole number from 0 to 2147483647"),
    "job_id": (TEXT, "the id of a job, as /finetune, /compare and /audit answer it"),
    "events_after": (WHOLE, "a whole number: a step, 0 for all of them, or -1 for none"),
    "images": ((*WHOLE, HUGE, 257), "a whole number from 1 to 256"),
    "strength": ((*REAL, 1.6), "a number from 0 to 1.5"),
    "tolerance": ((*REAL, 0, 1), "a share of faces above 0 and below 1, such as 0.1"),
    "wait_seconds": ((*WHOLE, HUGE, 601), "a whole number of seconds from 0 to 600"),
    "baseline": ((None, "aaaa", "", [], {}, [1], 5, 1.5, -2, math.nan, math.inf, LONG), "true or false"),
    "files": ((None, "a.png", 5, True, {}, ["a.png"], [5], [{}], [{"path": 5}], [{"path": "a"}] * 2001),
              "a list of at most 2000 uploaded files: pictures, zips of them, a list of prompts"),
    "faces": (TEXT, "which faces of a picture count: largest or all"),
    "prompts_from": (TEXT, "where prompts come from: auto, list, written, folders, together"),
    "judge": (TEXT, 'the name of who judges: "built-in", "critics" or "critics-trained-against"'),
    "format": (TEXT, 'the name of a format: "json", "csv", "html" or "card"')}
SOURCE = 'the id of a finetune, as /finetune answers it, or "" for the model as it is'
RIGHT = {"targets": {"gender": {"female": 50, "male": 50}}, "prompts": ["nurse"], "length": "Short", "model": "mini", "seed": 0,
         "job_id": "", "events_after": -1, "images": 4, "strength": 1, "tolerance": .1, "wait_seconds": 0, "format": "json",
         "baseline": False, "files": [], "faces": "largest", "prompts_from": "auto", "judge": "built-in"}
ENDPOINTS = {
    "/models": (), "/finetune": ("targets", "prompts", "length", "model", "seed"), "/status": ("job_id", "events_after"),
    "/stop": ("job_id",), "/report": ("job_id", "format"),
    "/compare": ("prompts", "images", "seed", "job_id", "model", "strength", "wait_seconds", "baseline"),
    "/audit": ("prompts", "targets", "tolerance", "images", "seed", "job_id", "model", "strength", "wait_seconds", "files", "faces",
               "prompts_from", "judge")}
CLIENT = httpx.Client(timeout=60)  # each new one reads all certificates of this machine first
PYTHONS = re.compile(r"Traceback|Error\b|None\b|could not convert|unhashable|not supported between|object|argument|NoneType|"
                     r"invalid literal|Errno|embedded null|<class|validation|Input should")


@pytest.fixture(scope="module")
def served(serve_all):
    """Of a machine of one's own, where a model may be any folder."""
    return serve_all(replace(fake_engine(.01), find_model=entry_for))


def error(url: str, endpoint: str, **arguments) -> str:
    """What an endpoint refuses with; the rest of its arguments are right."""
    data = [(RIGHT | arguments)[name] for name in ENDPOINTS[endpoint]]
    answer = CLIENT.post(f"{url}/gradio_api/run{endpoint}", content=json.dumps({"data": data}),
                         headers={"content-type": "application/json"})
    assert answer.status_code == 500 and set(answer.json()) <= {"error", "title", "duration", "visible"}, answer.text
    return answer.json()["error"]


def test_the_table_knows_every_argument_of_every_endpoint(served):
    named = Client(served.url, verbose=False).view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {name: tuple(p["parameter_name"] for p in told["parameters"]) for name, told in named.items()} == ENDPOINTS


@pytest.mark.parametrize("endpoint", [name for name, arguments in ENDPOINTS.items() if arguments])
def test_a_wrong_value_is_told_what_the_argument_takes(served, endpoint):
    before = served.runner.history()
    for name in ENDPOINTS[endpoint]:
        wrong, takes = TAKES[name]
        if name == "job_id" and endpoint in ("/compare", "/audit"):
            takes = SOURCE
        for value in wrong:
            told = error(served.url, endpoint, **{name: value})
            assert told.startswith(f"“{name}” is ") and told.endswith(f": it takes {takes}."), (name, value, told)
            assert len(told) < 300
    assert served.runner.history() == before, "nothing was started"


@pytest.mark.parametrize(("endpoint", "arguments", "words"), [
    ("/finetune", {"model": "y" * 400}, "Unknown model"), ("/finetune", {"model": "~nobody-here/x"}, "Unknown model"),
    ("/compare", {"model": ""}, "unet|Unknown model"), ("/finetune", {"length": ""}, "Unknown length"),
    ("/finetune", {"targets": {"gender": {}}}, "sum to 0.0 %"), ("/finetune", {"targets": {}}, "No attribute is controlled"),
    ("/finetune", {"targets": {"shoe size": {"large": 100}}}, "shoe size"),
    ("/audit", {"targets": {"gender": {"both": 100}}}, "Unknown class 'both' of gender"),
    ("/audit", {"images": 0}, "choose a number from 1 to 256"), ("/audit", {"prompts": []}, "not the id of a run"),
    ("/audit", {"files": [{"path": "/etc/passwd"}]}, "was not uploaded to this app"),
    ("/audit", {"files": [{"path": "../../gone.png"}]}, "was not uploaded to this app"),
    ("/compare", {"baseline": True}, "no target to put into words"),
    ("/compare", {"prompts": []}, "No concept is chosen"), ("/compare", {"prompts": ["", " "]}, "No concept is chosen"),
    ("/status", {"job_id": "../../etc/passwd"}, "not the id of a run"), ("/stop", {"job_id": ""}, "not the id of a run"),
    ("/report", {"job_id": "20200101-000000-abcdef"}, "There is no run"), ("/report", {"format": "pdf"}, "choose among json")])
def test_the_right_kind_of_value_that_is_no_good(served, endpoint, arguments, words):
    told = error(served.url, endpoint, **arguments)
    assert re.search(words, told) and not PYTHONS.search(told), told


def test_numbers_may_be_written_as_text(served):
    client = Client(served.url, verbose=False)
    answer = client.predict(["nurse"], "4", "3", "", "mini", "0.5", 60, api_name="/compare")
    assert answer["results"]["prompts"][0]["images"] == 4


def test_a_tool_of_an_assistant_is_told_the_same(served):
    async def call() -> str:
        async with streamablehttp_client(f"{served.url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            answer = await session.call_tool("compare", {"prompts": ["nurse"], "strength": 7})
            assert answer.isError
            return answer.content[0].text
    assert "“strength” is 7: it takes a number from 0 to 1.5." in asyncio.run(call())


@pytest.mark.parametrize(("failure", "words"), [
    (KeyError("folder"), "Something went wrong that is not your fault"),
    (OSError(28, "No space left on device"), "The disk is full: make room")])
def test_what_is_no_fault_of_the_client_is_told_in_the_log(served, monkeypatch, caplog, failure, words):
    def submit(request):
        raise failure
    monkeypatch.setattr(served.runner, "submit", submit)
    told = error(served.url, "/finetune")
    assert re.search(words, told) and not PYTHONS.search(told), told
    assert "in submit" in caplog.text
