"""The command that records what two rooms show: in the form that the page reads."""

import pytest
from helpers.fakes import tiny_model

from app.jobs.lab import load_points
from app.jobs.store import LAB_FOLDER, PANEL_FOLDER, JobStore
from benchmarks import rooms
from fairness_core.adapters.attach import attach_adapter, detach_adapter, save_adapter
from fairness_core.metrics.must_not_move import PanelPrompt
from fairness_core.runs import RunFolder, save_config
from fairness_core.settings.config import FinetuneConfig


def test_what_is_recorded_is_what_the_page_reads(tmp_path, monkeypatch):
    model, run = tiny_model(), RunFolder(tmp_path / "recorded" / "mini-short")
    save_config(run, FinetuneConfig(prompts=("a nurse",), marginals={"gender": {"female": .5, "male": .5}}, sampling_steps=3))
    attach_adapter(model, "text_encoder", rank=2, alpha=2, targets=("attention",), soft_tokens=0, seed=0)
    save_adapter(model, run.adapter.parent)
    detach_adapter(model)
    monkeypatch.setattr(rooms, "load_model", lambda name: model)
    monkeypatch.setattr(rooms, "load_panel", lambda: (PanelPrompt("a chef"), PanelPrompt("a hill")))
    monkeypatch.setattr(rooms, "prompt_for", lambda concept: concept)
    rooms.main([str(run.path), "--images", "2", "--lab-runs", "1", "--lab-steps", "2"])
    store = JobStore(tmp_path / "runs", tmp_path / "recorded")
    panel = store.recorded_panel("mini-short")
    assert [c.prompt for c in panel.comparisons] == ["a chef", "a hill"] and panel.recorded and panel.source == "mini-short"
    losses, scales = load_points(store.recorded_lab())
    assert store.recorded_lab() == tmp_path / "recorded" / LAB_FOLDER and len(losses) == 3 * 3 and scales
    assert (run.path / PANEL_FOLDER / "comparisons.json").exists()


@pytest.mark.parametrize("name", ["mini-short", "../mini-short", "nothing"])
def test_nothing_recorded_is_nothing(tmp_path, name):
    store = JobStore(tmp_path / "runs", tmp_path / "recorded")
    assert store.recorded_panel(name) is None and store.recorded_lab() is None
