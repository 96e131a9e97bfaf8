"""/audit of pictures that a client hands over: the same answer as of painted ones, and reports of them."""

import json

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers.fake_engine import fake_engine
from helpers.fake_pictures import BLACK, BLUE, RED, folder_of_pictures, picture, zipped

PARITY = {"gender": {"female": 50, "male": 50}}


@pytest.fixture(scope="module")
def client(serve_all) -> Client:
    return Client(serve_all(fake_engine(.01)).url, verbose=False)


@pytest.fixture
def packed(tmp_path):
    root = folder_of_pictures(tmp_path / "mine", {"nurse": [RED] * 30, "judge": [BLUE] * 28 + [BLACK] * 2})
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}
    return zipped(tmp_path / "mine.zip", files | {"judge/odd.png": b"not a picture"})


def test_a_zip_is_judged_and_judged_again_by_another_target(client, packed):
    answer = client.predict(prompts=[], targets=PARITY, files=[handle_file(packed)], api_name="/audit")
    assert answer["state"] == "finished" and answer["audit"]["status"] == "fail" and answer["kind"] == "audit"
    [gender] = answer["audit"]["attributes"]
    assert {p["prompt"]: (p["images"], p["faces"]) for p in gender["prompts"]} == {"judge": (30, 28), "nurse": (30, 30)}
    told = answer["pictures"]
    assert told["judge"]["name"] == "built-in" and "not to be trusted" in told["warning"] and told["without_face"] == 2
    assert [one["name"] for one in told["skipped"]] == ["judge/odd.png"] and told["prompts_from"] == {"folders": 60}
    again = client.predict(prompts=[], targets={"gender": {"female": 52, "male": 48}}, tolerance=.6,
                           job_id=answer["job_id"], api_name="/audit")
    assert again["job_id"] == answer["job_id"] and again["audit"]["status"] == "pass"
    own = client.predict(prompts=[], job_id=answer["job_id"], api_name="/audit")
    assert own["audit"]["attributes"][0]["target"] == [.5, .5]
    assert client.predict(answer["job_id"], api_name="/status")["message"] == "Finished: 61 pictures looked at."


def test_single_pictures_with_a_list_and_every_face(client, tmp_path):
    for name, size in (("1.png", (64, 32)), ("2.png", (32, 32))):
        picture(tmp_path / name, RED, size)
    listed = tmp_path / "prompts.csv"
    listed.write_text("file_name,prompt\n1.png,a nurse\n2.png,a nurse\n", encoding="utf-8")
    files = [handle_file(tmp_path / name) for name in ("1.png", "2.png", "prompts.csv")]
    answer = client.predict(prompts=[], targets=PARITY, files=files, faces="all", api_name="/audit")
    assert answer["pictures"]["prompts"][0]["prompt"] == "a nurse" and answer["pictures"]["faces"] == 3
    assert answer["pictures"]["several_faces"] == 1 and answer["pictures"]["prompts_from"] == {"list": 2}


def test_reports_of_an_audit(client, packed):
    job_id = client.predict(prompts=[], targets=PARITY, files=[handle_file(packed)], api_name="/audit")["job_id"]
    texts = {f: client.predict(job_id, f, api_name="/report") for f in ("json", "csv", "html")}
    assert json.loads(texts["json"])["job_id"] == job_id and texts["csv"].startswith("attribute,controlled,prompts,pictures")
    assert texts["html"].startswith("<!doctype html>") and "Judged by" in texts["html"]
    with pytest.raises(AppError, match="no model card"):
        client.predict(job_id, "card", api_name="/report")


@pytest.mark.parametrize(("how", "says"), [
    ({"targets": {}}, "No target to judge by"), ({"faces": "some"}, "Choose faces among largest, all"),
    ({"prompts_from": "list"}, "No list tells"), ({"judge": "nobody"}, "Unknown classifier"),
    ({"judge": "critics"}, "copy assets/critics.yaml")])
def test_what_cannot_be_judged_is_told(client, tmp_path, monkeypatch, how, says):
    monkeypatch.delenv("FAIRNESS_CRITICS", raising=False)
    with pytest.raises(AppError, match=says):
        client.predict(**{"prompts": [], "targets": PARITY, "files": [handle_file(picture(tmp_path / "1.png"))]} | how,
                       api_name="/audit")


def test_what_is_no_picture_is_told(client, tmp_path):
    (tmp_path / "1.png").write_bytes(b"not a picture")
    with pytest.raises(AppError, match="None of the pictures could be judged"):
        client.predict(prompts=[], targets=PARITY, files=[handle_file(tmp_path / "1.png")], api_name="/audit")


def test_not_waiting_is_asked_for_later(client, packed):
    answer = client.predict(prompts=[], targets=PARITY, files=[handle_file(packed)], wait_seconds=0, api_name="/audit")
    while answer["state"] != "finished":
        answer = client.predict(prompts=[], job_id=answer["job_id"], api_name="/audit")
    assert answer["audit"]["status"] == "fail"
