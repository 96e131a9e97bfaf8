"""What can be fetched from the server over HTTP, and what cannot."""

from pathlib import Path

import httpx
import pytest
from helpers.fake_engine import fake_engine
from helpers.jobs import request, wait

from app.launch import launch_options
from app.layout import build_app
from app.rooms.downloads import download
from benchmarks.page_ready import ROOT

ROUTES = ("/gradio_api/file=", "/file=", "/gradio_api/file/")
OTHERS = ("/app.py", "/runs", "/static/../app.py", "/static/%2e%2e/%2e%2e/app.py", "/assets/..%2f..%2fapp.py",
          "/gradio_api/proxy=http://127.0.0.1:22/", "/gradio_api/stream/../../app.py",
          "/custom_component/x/server/../../../../etc/passwd")
CLIENT = httpx.Client(timeout=30)  # each new one reads all certificates of this machine first
REFUSED = (400, 401, 403, 404, 405, 422)


@pytest.fixture(scope="module")
def site(serve_all):
    """A server with a finished run, and files that it must keep to itself."""
    served = serve_all(fake_engine(.01))
    job_id = served.runner.submit(request())
    view = wait(served.runner, job_id, "finished", 30)
    return served, view


def status(url: str, path: str) -> int:
    """Without tidying the path up, as an attacker would send it."""
    return CLIENT.send(httpx.Request("GET", httpx.URL(url, raw_path=path.encode()))).status_code


def test_neither_the_project_nor_the_machine_is_served(site):
    served, view = site
    secrets = [ROOT / "app.py", ROOT / "README.md", ROOT / "assets/models.yaml", Path("/etc/passwd"),
               Path("/proc/self/environ"), view.folder / "config.yaml", view.folder / "job.json", view.adapter]
    for secret in secrets:
        assert secret.exists()
        up = "../" * 12 + str(secret).lstrip("/")
        paths = (str(secret), up, up.replace("/", "%2f"), up.replace("..", "%2e%2e"), f"/tmp/gradio/{up}",
                 f"assets/../{up}", f"{secret}%00.png", f"file://{secret}", f"/{secret}", str(secret).replace("/", "\\"))
        for path in (route + path for route in ROUTES for path in paths):
            assert status(served.url, path) in REFUSED, path


def test_a_download_is_served(site):
    served, view = site
    copy = download(view.adapter)["value"]
    answer = httpx.get(f"{served.url}/gradio_api/file={copy}")
    assert answer.status_code == 200 and answer.content == view.adapter.read_bytes()


def test_no_other_route_leads_outside(site):
    served, _ = site
    for path in OTHERS:
        answer = CLIENT.get(served.url + path)
        assert answer.status_code in REFUSED or "root:" not in answer.text and "fairness_engine" not in answer.text, path


def test_a_page_cannot_be_made_to_read_a_file_of_the_server(site):
    """The upload buttons take what was uploaded, never a path that a visitor writes down."""
    served, view = site
    config = httpx.get(served.url + "/config").json()
    buttons = {c["id"] for c in config["components"] if c["props"].get("elem_id") in ("bring-adapter", "load-settings")}
    defaults = {c["id"]: c["props"].get("value") for c in config["components"]}
    events = [d for d in config["dependencies"] if buttons & set(d["inputs"])]
    assert len(buttons) == 2 and events

    def ask(event: dict, path: str) -> httpx.Response:
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        data = [file if component in buttons else defaults[component] for component in event["inputs"]]
        return CLIENT.post(served.url + "/gradio_api/run/predict",
                           json={"data": data, "fn_index": event["id"], "session_hash": "visitor"})
    preset = ROOT / "assets/presets/mini-short.yaml"
    settings = ("mine.yaml", (view.folder / "config.yaml").read_bytes())
    [uploaded] = httpx.post(served.url + "/gradio_api/upload", files={"files": settings}).json()
    answers = [ask(event, uploaded).text for event in events]
    assert any("mine.yaml" in answer for answer in answers), f"what was uploaded is read, not {answers}"
    for event in events:
        for secret in ("/etc/passwd", str(view.adapter), str(preset)):
            answer = ask(event, secret)
            assert answer.status_code >= 400, answer.text
            assert "root:" not in answer.text and "learning_rate" not in answer.text


@pytest.fixture
def small(tmp_path):
    """A server that takes uploads of at most a tenth of a megabyte."""
    demo = build_app(fake_engine(.01), tmp_path / "runs", tmp_path / "recorded")
    _, url, _ = demo.launch(**launch_options() | {"max_file_size": "100kb"}, prevent_thread_lock=True, quiet=True)
    yield url.rstrip("/")
    demo.runner.close()
    demo.close(verbose=False)


def test_large_uploads_are_refused(small):
    def upload(size: int) -> int:
        return httpx.post(small + "/gradio_api/upload", files={"files": ("a.safetensors", b"0" * size)}).status_code
    assert upload(50_000) == 200 and upload(200_000) == 413
