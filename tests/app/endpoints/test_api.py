"""Every named endpoint, called as a client would."""

import json
import time

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from helpers.fake_engine import fake_engine

CONTRACT = {
    "/models": "", "/status": "job_id [events_after]", "/stop": "job_id", "/report": "job_id [format]",
    "/finetune": "targets prompts [length] [model] [seed]",
    "/compare": "prompts [images] [seed] [job_id] [model] [strength] [wait_seconds] [baseline]",
    "/audit": "prompts [targets] [tolerance] [images] [seed] [job_id] [model] [strength] [wait_seconds]"
              " [files] [faces] [prompts_from] [judge]"}
PARITY = {"gender": {"female": 50, "male": 50}}


@pytest.fixture(scope="module")
def client(serve_all) -> Client:
    return Client(serve_all(fake_engine(.01)).url, verbose=False)


def wait(client: Client, job_id: str, *states: str, seconds: float = 60) -> dict:
    end = time.monotonic() + seconds
    while (answer := client.predict(job_id, api_name="/status"))["state"] not in states:
        assert time.monotonic() < end, answer
        time.sleep(.1)
    return answer


def test_only_documented_endpoints_are_public(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {name: " ".join(map(told, endpoint["parameters"])) for name, endpoint in endpoints.items()} == CONTRACT
    for endpoint in endpoints.values():
        assert endpoint["description"]


def told(parameter: dict) -> str:
    """The parameter's name; in brackets when it may be left out."""
    name = parameter["parameter_name"]
    return f"[{name}]" if parameter["parameter_has_default"] else name


def test_models(client):
    models = client.predict(api_name="/models")
    assert models[0]["name"] == "mini" and models[0]["unavailable"] == "" and models[0]["download_gb"] == 0
    assert models[0]["licence"] == {"name": "Public Domain", "url": "https://example.org/licence", "terms": "Anything goes."}
    assert "GPU memory" in models[1]["unavailable"]


def test_finetune_status_compare(client):
    job = client.predict(PARITY, ["chef", "a close-up of a barista"], "short", api_name="/finetune")
    assert job["state"] in ("queued", "running")
    done = wait(client, job["job_id"], "finished")
    assert done["step"] == done["total_steps"] == 12
    assert set(done["losses"]) == {"total", "alignment", "semantics", "face"} and 0 <= done["distance"]["gender"] <= 1
    assert done["events"] == []
    last = client.predict(job["job_id"], 10, api_name="/status")["events"]
    assert [e["step"] for e in last] == [11, 12] and last[-1]["losses"] == done["losses"]
    prompts = {p["prompt"]: p for p in done["results"]["prompts"]}
    assert not prompts["a photo of the face of a chef, a person"]["held_out"]
    assert any(p["held_out"] for p in prompts.values())
    assert done["results"]["verdicts"]["gender"]["status"] in ("reached", "not yet", "cannot tell")

    compared = client.predict(["nurse"], 6, 3, job["job_id"], api_name="/compare")
    assert compared["state"] == "finished"
    [nurse] = compared["results"]["prompts"]
    assert nurse["images"] == 6 and sum(
        race["frequency"] for race in nurse["after"]["frequencies"]["race"].values()) == pytest.approx(1)
    female = nurse["after"]["frequencies"]["gender"]["female"]
    assert female["low"] <= female["frequency"] <= female["high"]


def test_compare_with_words_in_the_prompt_beside_it(client):
    job = client.predict(PARITY, ["chef"], api_name="/finetune")
    wait(client, job["job_id"], "finished")
    compared = client.predict(["nurse"], 4, job_id=job["job_id"], baseline=True, api_name="/compare")
    [nurse] = compared["results"]["prompts"]
    assert nurse["baseline"]["images"] == len(nurse["baseline"]["prompts"]) == 4 and nurse["baseline"]["frequencies"]["gender"]
    plain = client.predict(["nurse"], 4, job_id=job["job_id"], api_name="/compare")
    assert plain["results"]["prompts"][0]["baseline"] is None


def test_compare_the_model_as_it_is(client):
    answer = client.predict(["nurse"], 4, api_name="/compare")
    assert answer["results"]["prompts"][0]["before"] and answer["results"]["verdicts"] == {}


def test_compare_without_waiting_is_asked_for_later(client):
    answer = client.predict(["nurse", "chef"], 4, 0, "", "mini", 1.0, 0, api_name="/compare")
    assert len(wait(client, answer["job_id"], "finished")["results"]["prompts"]) == 2


def test_stop_and_queue(serve):
    client = Client(serve(fake_engine(.1)).url, verbose=False)
    first = client.predict(PARITY, ["chef"], "Long", api_name="/finetune")
    second = client.predict(PARITY, ["judge"], "Long", api_name="/finetune")
    assert second["state"] == "queued" and second["position"] == 1
    assert client.predict(second["job_id"], api_name="/stop")["state"] == "cancelled"
    client.predict(first["job_id"], api_name="/stop")
    assert wait(client, first["job_id"], "stopped")["step"] < 600


def test_every_endpoint_is_a_tool_for_assistants(client):
    tools = {t["name"]: t for t in httpx.get(f"{client.src}gradio_api/mcp/schema").json()}
    assert set(tools) == {"models", "finetune", "status", "stop", "compare", "audit", "report"}
    assert "pass, fail or cannot tell" in tools["audit"]["description"]
    assert "share of faces" in tools["audit"]["inputSchema"]["properties"]["tolerance"]["description"]


def test_audit_paints_and_judges(client):
    answer = client.predict(["nurse", "judge"], PARITY, .05, 12, api_name="/audit")
    audit = answer["audit"]
    assert answer["state"] == "finished" and audit["tolerance"] == .05 and "5 %" in audit["rule"]
    [gender] = audit["attributes"]
    assert gender["classes"] == ["Female", "Male"] and gender["target"] == [.5, .5] and len(gender["prompts"]) == 2
    assert gender["passed"] + gender["failed"] + gender["untold"] == 2
    strict = client.predict([], {"gender": {"female": 20, "male": 80}}, .4, 12, 0, answer["job_id"], api_name="/audit")
    assert strict["job_id"] == answer["job_id"] and strict["audit"]["attributes"][0]["target"] == [.2, .8]


def test_audit_of_a_finetune_takes_its_target(client):
    job = client.predict(PARITY, ["chef"], api_name="/finetune")
    wait(client, job["job_id"], "finished")
    audit = client.predict([], {}, .1, 0, 0, job["job_id"], api_name="/audit")["audit"]
    assert [a["attribute"] for a in audit["attributes"]] == ["gender"]
    assert audit["attributes"][0]["target"] == [.5, .5]


@pytest.mark.parametrize(("arguments", "words"), [
    ((["nurse"],), "No target to judge by"), ((["nurse"], PARITY, 2.0), "tolerance"),
    (([], PARITY), "not the id"), (([], {"gender": {"female": 70, "male": 70}}), "not the id|sum to")])
def test_what_cannot_be_audited(client, arguments, words):
    with pytest.raises(AppError, match=words):
        client.predict(*arguments, api_name="/audit")


def test_report_in_every_format(client):
    job = client.predict(PARITY, ["chef"], api_name="/finetune")
    wait(client, job["job_id"], "finished")
    texts = {f: client.predict(job["job_id"], f, api_name="/report") for f in ("json", "csv", "html", "card")}
    assert json.loads(texts["json"])["verdicts"]["gender"]["status"]
    assert texts["csv"].startswith("attribute,controlled") and texts["html"].startswith("<!doctype html>")
    assert texts["card"].startswith("---")
    with pytest.raises(AppError, match="choose among json"):
        client.predict(job["job_id"], "pdf", api_name="/report")


@pytest.mark.parametrize(("arguments", "words"), [
    (({"gender": {"female": 70, "male": 70}}, ["chef"]), "sum to 140.0 %"),
    (({}, ["chef"]), "No attribute"),
    ((PARITY, []), "No concept is chosen"),
    ((PARITY, ["word " * 500]), "425 tokens too long for this model, which reads 75: shorten it"),
    ((PARITY, ["chef"], "Eternal"), "Unknown length"),
    ((PARITY, ["chef"], "Short", "sd15"), "GPU memory"),
    ((PARITY, ["chef"], "Short", "nowhere"), "Unknown model"),
])
def test_bad_input_says_what_to_change(client, arguments, words):
    with pytest.raises(AppError, match=words):
        client.predict(*arguments, api_name="/finetune")


@pytest.mark.parametrize("job_id", ["20200101-000000-abcdef", "../../etc/passwd"])
def test_unknown_jobs(client, job_id):
    for endpoint in ("/status", "/stop"):
        with pytest.raises(AppError, match="no run|not the id"):
            client.predict(job_id, api_name=endpoint)


def test_a_failed_comparison_is_an_error(client):
    with pytest.raises(AppError, match="left the building"):
        client.predict(["explode"], 4, api_name="/compare")
