"""Every model of the registry through a whole job: finetune, compare, bundle, card, report, publish, and the card's own
snippet. Small random models of the same class stand in for the downloads."""

import json
from dataclasses import replace
from zipfile import ZipFile

import pytest
import torch
import yaml
from helpers.fake_hub import OWNER, TOKEN, serving_hub
from helpers.fakes import tiny_critics
from helpers.jobs import wait
from helpers.small_pipelines import CONFIG, PROMPT, saved
from helpers.small_transformers import PIXELS, SMALL, saved_flow
from huggingface_hub import constants
from PIL import Image

from app.engine import fairness_engine
from app.jobs.files import JobRequest
from app.jobs.runner import JobRunner
from fairness_core import runs
from fairness_core.models.loading import load_entry
from fairness_core.models.registry import available_models, own_entry
from fairness_core.report.model_names import model_source

pytestmark = pytest.mark.slow
ROWS = {row.name: row for row in available_models()}
# registry's name -> the small pipeline of its class, prediction and solver
KINDS = {"mini": "sd15", "sd14": "sd15", "sd15": "sd15", "sd21": "sd21", "sdxl": "sdxl", "sd-turbo": "turbo",
         "sd35-medium": "sd35", "sd35-large": "sd3", "sd35-turbo": "sd3", "flux-dev": "flux-dev",
         "flux-schnell": "flux-schnell"}


@pytest.fixture(scope="module", autouse=True)
def report_in_zips() -> None:
    """The engine's own."""


@pytest.fixture
def finished(tmp_path):
    """Runs a whole job with the small pipeline of one kind under the entry's name; returns the run's folder."""
    def run(entry, kind: str, tune: str = "text_encoder") -> runs.RunFolder:
        save = saved_flow if kind in SMALL else saved
        small = replace(entry, folder=str(save(kind, tmp_path / "small")), repo="", unavailable="", resolution=PIXELS)
        model = load_entry(small, device=torch.device("cpu"), precision=torch.float32, critics=tiny_critics())
        runner = JobRunner(replace(fairness_engine(), load_model=lambda name: model), tmp_path / "runs", tmp_path / "none")
        config = replace(CONFIG, model=entry.name, tune=tune, guidance_scale=max(1.0, entry.guidance_scale))
        try:
            view = wait(runner, runner.submit(JobRequest("finetune", config, (PROMPT,), images=2)), "finished", 120)
        finally:
            runner.close()
        return runs.RunFolder(view.folder)
    return run


def run_snippet(card: str, source: str, folder, adapter, monkeypatch):
    """What a reader of the card does: beside the adapter's file, with the base model at hand. Returns the picture."""
    code = card.split("```python\n")[1].split("```")[0]
    assert source in code
    monkeypatch.chdir(adapter.parent)
    names: dict = {}
    exec(compile(code.replace(source, str(folder)), "card", "exec"), names)
    assert type(names["pipeline"]).__name__ == json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
    return names["image"]


def test_the_table_of_kinds_is_whole():
    assert set(KINDS) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_model_of_the_registry_goes_the_whole_way(name, finished, tmp_path, monkeypatch):
    folder, row = finished(ROWS[name], KINDS[name]), ROWS[name]
    with ZipFile(folder.path / f"{folder.path.name}.zip") as archive:
        card = archive.read("README.md").decode()
    matter = yaml.safe_load(card.split("---\n")[1])
    assert matter.get("base_model") == (row.repo or None) and matter["model-index"][0]["results"]
    image = run_snippet(card, model_source(name), tmp_path / "small", folder.adapter, monkeypatch)
    assert isinstance(image, Image.Image)
    runs.write_report(folder)
    assert json.loads((folder.path / "metrics.json").read_text(encoding="utf-8"))["prompts"][0]["prompt"] == PROMPT
    with serving_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        runs.push(folder, f"{OWNER}/fair", TOKEN)
        published = hub.repositories[f"{OWNER}/fair"]["files"]
    assert published["README.md"].decode() == card and published[folder.adapter.name] == folder.adapter.read_bytes()


def test_a_folder_of_ones_own_is_named_but_not_located(finished, tmp_path, monkeypatch):
    secret = tmp_path / "home-of-ada" / "my-model"
    secret.mkdir(parents=True)
    (secret / "model_index.json").write_text("{}", encoding="utf-8")  # that it holds a model is all that is looked at
    folder = finished(own_entry(str(secret), "my-model"), "sdxl", "unet")
    with ZipFile(folder.path / f"{folder.path.name}.zip") as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    assert not [name for name, text in texts.items() if b"home-of-ada" in text]
    card = texts["README.md"].decode()
    assert "base_model" not in yaml.safe_load(card.split("---\n")[1]) and "`my-model`" in card
    run_snippet(card, "path/to/my-model", tmp_path / "small", folder.adapter, monkeypatch)
