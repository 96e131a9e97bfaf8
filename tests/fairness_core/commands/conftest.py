"""The commands on the tiny model, and a small run."""

from pathlib import Path

import pytest
from helpers.fakes import tiny_model

from fairness_core.__main__ import main
from fairness_core.settings.config import FinetuneConfig

SMALL = dict(prompts=["a nurse", "a chef"], marginals={"gender": {"female": 0.5, "male": 0.5}}, lora_rank=2, steps=2,
             images_per_prompt=2, sampling_steps=3, timesteps_per_update=1, guidance_scale=3.0, checkpoint_every=1,
             film_strip_every=2)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    model = tiny_model()
    monkeypatch.setattr("fairness_core.commands.common.load_model", lambda name, **options: model)
    return model


@pytest.fixture
def config(tmp_path) -> str:
    path = tmp_path / "small.yaml"
    FinetuneConfig(**{**SMALL, "prompts": tuple(SMALL["prompts"])}).save(path)
    return str(path)


@pytest.fixture
def trained(config, tmp_path, capsys) -> Path:
    assert main(["train", "--config", config, "--out", str(tmp_path / "run")]) == 0
    return tmp_path / "run"
