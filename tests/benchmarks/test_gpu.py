"""The command for a card, every part of it on a CPU at small sizes."""

import json
import sys
import time
from dataclasses import replace

import pytest
import torch
from helpers.fakes import tiny_model
from helpers.small_pipelines import loaded, saved
from helpers.small_transformers import loaded_flow, saved_flow

from benchmarks import architectures, gpu, gpu_parts, gpu_words, real_models
from benchmarks.gpu_parts import Sizes
from benchmarks.worker import Worker
from fairness_core.settings.presets import FOLDER, load_preset
from fairness_core.training import step

SMALL = Sizes(held_out=1, shown=2, turns=1, images=2, sampling_steps=2, timesteps=1, fewer_steps=1, step_images=2,
              step_sampling=2)


class Kept(list):
    """What a part kept, as it would be read from its file."""

    def __call__(self, record: dict) -> None:
        self.append(json.loads(json.dumps(record)))


def brief_short():
    preset = load_preset(FOLDER / "mini-short.yaml")
    return replace(preset, config=replace(preset.config, steps=2, images_per_prompt=2, prompts_per_step=1, sampling_steps=2,
                                          comparison_steps=2, timesteps_per_update=1, prompts=("chef",), kept_prompts=()))


def told(name: str, found: dict) -> str:
    return gpu_words.as_markdown(name, {"wall_seconds": 1.0, "unfinished": "", "found": found})


def test_short_is_measured_and_what_is_known_is_kept_at_every_step(monkeypatch):
    monkeypatch.setattr(gpu_parts, "prompt_for", lambda concept: concept)
    gpu_parts.short(tiny_model(), brief_short(), SMALL, kept := Kept())
    assert [record["steps"] for record in kept] == [1, 2, 2, 2]
    assert kept[-1]["seconds_a_step"] > 0 and kept[-1]["stages"]["backward"] > 0
    text = told("short", kept[-1])
    assert "2 of 2 steps in" in text and "| backward |" in text and "| gender |" in text
    assert "held-out bias" not in told("short", kept[0]), "what was not reached is left out"


def test_the_ways_are_measured_side_by_side():
    gpu_parts.side_by_side(tiny_model(), SMALL, kept := Kept())
    text = told("iteration", kept[-1])
    assert all(f"| {way} |" in text for way in ("published", "engine, all timesteps", "engine, fewer sampling steps"))
    assert len(kept) == 4 and "| engine, fewer sampling steps |" in (first := told("iteration", kept[0])), "as each is there"
    assert "| published |" not in first and " | - | " in first


@pytest.mark.parametrize("kind", ["sd21", "sdxl"])
def test_one_step_is_measured(kind, tmp_path):
    gpu_parts.one_step(loaded(saved(kind, tmp_path)), SMALL, kept := Kept())
    assert "2 images, 2 sampling steps" in told(kind, kept[-1])
    assert len(kept) == 2 and "So far: the first step, which warms up, took" in told(kind, kept[0])


def test_one_step_of_a_transformer_is_measured(tmp_path):
    gpu_parts.one_step(loaded_flow(saved_flow("sd35", tmp_path)), SMALL, kept := Kept())
    assert "2 images, 2 sampling steps" in told("sd35-medium", kept[-1])


def test_waits_are_counted_and_found():
    gpu_parts.waits(tiny_model(), brief_short().config, kept := Kept())
    assert kept[-1]["elsewhere"] == "" and 0 < kept[-1]["reads"] <= 10
    assert "Elsewhere than allowed: never." in told("waits", kept[-1])
    assert "Elsewhere" not in told("waits", kept[0])


def test_a_wait_elsewhere_is_named(monkeypatch):
    run = gpu_parts.starting.start(tiny_model(), brief_short().config)
    monkeypatch.setattr(step, "mean_of", lambda records: {"total": torch.ones(3).sum().item()})
    found = gpu_parts.waits_elsewhere(run)
    assert found.startswith("step.py:") and "_local_scalar_dense makes the host wait" in found


def test_networks_get_weights_that_paint(monkeypatch):
    """Made without numbers, then filled where they are to be."""
    of = replace(architectures.ARCHITECTURES["sd15"], decoder=(32, 32, 32, 32), unet=dict(
        sample_size=8, cross_attention_dim=32, attention_head_dim=4, block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")),
        text_encoder=dict(hidden_size=32, intermediate_size=64, num_attention_heads=2, num_hidden_layers=2))
    monkeypatch.setitem(real_models.ARCHITECTURES, "sd15", of)
    monkeypatch.setattr(real_models, "random_critics", lambda device: replace(
        real_models.load_critics(real_models.ASSETS / "mini", device), detector=real_models.MiddleFace()))
    model = real_models.random_model("sd15", torch.device("cpu"))
    assert model.text_encoder.embeddings.position_ids.flatten().tolist() == list(range(77))
    gpu_parts.one_step(model, SMALL, kept := Kept())
    assert kept[-1]["pixels"] == 64 and kept[-1]["seconds"] > 0


CHILD = ("import sys, time; from benchmarks.worker import answer\n"
         "def work(question, tell): tell({'steps': 3, 'told': 'step 3'}); {}\n"
         "answer(work, sys.stdin)")


@pytest.mark.parametrize("then, limit, unfinished", [
    ("", 30, ""), ("time.sleep(60)", 2, "It was stopped after its 2 s."), ("sys.exit('no luck')", 30, "no luck")])
def test_a_part_is_stopped_in_time_and_what_it_kept_stays(then, limit, unfinished, capsys):
    part, kept = {"wall_seconds": 0.0, "unfinished": "", "found": {}}, []
    with Worker([sys.executable, "-c", CHILD.replace("{}", then)]) as worker:
        gpu.attempt(worker, "short", time.monotonic() + limit, part, lambda: kept.append(part["found"]))
    assert part["found"] == {"steps": 3, "told": "step 3"} == kept[0] and part["unfinished"] == unfinished
    assert capsys.readouterr().out == "short: step 3\n", "at once"


class QuickWorker:
    """Knows the machine and the waits, and has no luck with the rest."""

    asked: dict[str, float] = {}

    def __init__(self, command):
        self.asked.clear()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def ask(self, question, seconds, tell):
        self.asked[question] = seconds
        if question == "machine":
            tell({"device": "a card", "torch": "2"})
        if question == "waits":
            tell({"operations": 5, "reads": 1, "of_them": {"cpu": 1}, "elsewhere": "", "told": "1 read"})
        if question == "sd21":
            tell({"told": "the networks were made in 2.0 s"})
        return "" if question in ("machine", "waits") else "no luck"


def test_all_parts_are_printed_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "Worker", QuickWorker)
    gpu.main(["--out", str(tmp_path), "--device", "cpu"])
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert text.count("Not finished: no luck") == 5 and "5 tensor operations, 1 host reads (cpu 1)" in text
    assert "So far: the networks were made in 2.0 s." in text
    printed = capsys.readouterr().out
    assert all(title in text and title in printed for title in gpu_words.TITLES.values())
    assert set(json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["parts"]) == set(gpu.LIMITS)


def test_what_a_part_leaves_over_is_there_for_those_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "Worker", QuickWorker)
    gpu.main(["--out", str(tmp_path), "--device", "cpu"])
    given = [QuickWorker.asked[name] for name in gpu.LIMITS]
    assert given == sorted(given) and given[-1] <= gpu.START + sum(gpu.LIMITS.values())


def test_it_takes_four_minutes_at_most_and_says_where_there_is_no_gpu(tmp_path, monkeypatch):
    assert gpu.START + sum(gpu.LIMITS.values()) <= 240
    monkeypatch.setattr(gpu, "Worker", QuickWorker)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no GPU: nothing was measured"):
        gpu.main(["--out", str(tmp_path)])
