"""A model by its hub id: licence first, then the download, then a load without network. The hub is a server of ours."""

import json
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub
import pytest
import torch
from helpers.fakes import tiny_critics
from helpers.small_pipelines import loaded, saved, small_pipeline

from fairness_core.__main__ import main
from fairness_core.models import files as model_files
from fairness_core.models.loading import ModelError, available_models, entry_for, load_model
from fairness_core.models.registry import licences

REPO, COMMIT = "ada/small-diffusion", "0" * 40
CARD = "---\nlicense: creativeml-openrail-m\n---\n# Small\n"


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks for when it reads a repository."""

    def __init__(self, folder: Path, *arguments: object):
        self.folder = folder
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        files = {str(f.relative_to(self.folder)): f for f in self.folder.rglob("*") if f.is_file()}
        if path.startswith(f"/api/models/{REPO}"):
            return self.answer(json.dumps(self.tree(files) if "/tree/" in path else self.info(files)).encode())
        name = path.removeprefix(f"/{REPO}/resolve/main/").removeprefix(f"/{REPO}/resolve/{COMMIT}/")
        if name not in files:
            return self.answer(b"{}", 404, "RepoNotFound" if REPO not in path else "EntryNotFound")
        self.answer(files[name].read_bytes())

    def info(self, files: dict[str, Path]) -> dict:
        return {"id": REPO, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files],
                "cardData": {"license": "creativeml-openrail-m"}}

    def tree(self, files: dict[str, Path]) -> list[dict]:
        return [{"type": "file", "path": name, "size": f.stat().st_size, "oid": sha256(f.read_bytes()).hexdigest()}
                for name, f in files.items()]

    def answer(self, body: bytes, status: int = 200, error: str = "") -> None:
        self.send_response(status)
        headers = {"Content-Length": len(body), "ETag": f'"{sha256(body).hexdigest()}"', "X-Repo-Commit": COMMIT}
        for name, value in (headers | ({"X-Error-Code": error} if error else {})).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Path]:
    """The folder that the hub serves as REPO, with an empty cache on this machine."""
    folder = saved("sd15", tmp_path / "served")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folder))
    Thread(target=server.serve_forever, daemon=True).start()
    point_at(f"http://127.0.0.1:{server.server_port}", tmp_path / "cache", monkeypatch)
    yield folder
    server.shutdown()


@pytest.fixture
def no_hub(tmp_path, monkeypatch) -> None:
    point_at("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)


def point_at(address: str, cache: Path, monkeypatch) -> None:
    """huggingface_hub reads its environment when it is imported: too late for a test."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE",
                        address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", address)


def test_licence_download_and_load_without_network(hub, capsys, monkeypatch, tmp_path):
    entry = entry_for(REPO)
    assert entry.needs_download and entry.licence == licences()["creativeml-openrail-m"]
    with pytest.raises(ModelError, match="not on this machine: download it first.*CreativeML Open RAIL-M"):
        loaded_by_id()
    assert main(["models", "--download", REPO]) == 1
    shown = capsys.readouterr()
    assert "discriminate" in shown.out and "--accept-licence" in shown.err and entry_for(REPO).needs_download
    assert main(["models", "--download", REPO, "--accept-licence"]) == 0
    point_at("http://127.0.0.1:9", tmp_path / "cache", monkeypatch)
    assert not entry_for(REPO).needs_download and entry_for(REPO).licence.name == "CreativeML Open RAIL-M"
    weights, expected = loaded_by_id().unet.state_dict(), loaded(hub).unet.state_dict()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def loaded_by_id():
    return load_model(REPO, device=torch.device("cpu"), precision=torch.float32, critics=tiny_critics())


def test_half_precision_files_are_chosen_and_pickles_never(hub):
    small_pipeline("sd15").to(torch.float16).save_pretrained(hub, variant="fp16")
    (hub / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    folder = model_files.download(REPO)
    assert [f.name for f in (folder / "unet").iterdir() if f.suffix != ".json"] == [
        "diffusion_pytorch_model.fp16.safetensors"]


def test_a_model_the_hub_does_not_know(hub):
    with pytest.raises(ModelError, match="The hub has no model 'ada/nothing'"):
        model_files.download("ada/nothing")


def test_a_hub_out_of_reach_is_told_in_plain_words(no_hub, capsys):
    with pytest.raises(ModelError, match="is not downloaded and the hub cannot be reached: connect this machine"):
        model_files.download("stable-diffusion-v1-5/stable-diffusion-v1-5")
    with pytest.raises(ModelError, match="the hub cannot be reached"):
        load_model("ada/unknown")
    assert main(["models", "--download", "sd15", "--accept-licence"]) == 1
    assert "the hub cannot be reached" in capsys.readouterr().err


def test_the_registry_needs_no_network(no_hub, capsys):
    entries = {entry.name: entry for entry in available_models()}
    assert not entries["mini"].unavailable and not entries["mini"].needs_download
    assert all(entry.needs_download and entry.download_gb > 1 for entry in entries.values() if entry.repo)
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(entries) and "Here: ready" in lines[0]
    assert entry_for("CompVis/stable-diffusion-v1-4") == entries["sd14"], "by its hub id as well"


def test_an_unknown_name_lists_the_known_ones_and_the_other_ways(tmp_path):
    with pytest.raises(ModelError, match="choose among mini, sd14.*or give the folder or the Hugging Face id"):
        entry_for("large")
    with pytest.raises(ModelError, match="holds no model_index.json"):
        entry_for(str(tmp_path))


def test_the_licence_of_a_folder_is_in_its_card(tmp_path):
    folder = saved("sd15", tmp_path / "mine")
    assert entry_for(str(folder)).licence.name == licences()["unknown"].name
    (folder / "README.md").write_text(CARD.replace("creativeml-openrail-m", "mit"), encoding="utf-8")
    assert entry_for(str(folder)).licence.name == "mit"
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    assert entry_for(str(folder)).licence == licences()["creativeml-openrail-m"]
