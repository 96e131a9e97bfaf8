"""The side-by-side command on the tiny model: every stage is found, and the table says what was measured."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from helpers.fakes import tiny_model

from benchmarks import iteration, iteration_ways
from benchmarks.floor import Passes, engine_passes, unet_operations
from benchmarks.memory import peak_megabytes

SETTINGS = iteration_ways.Settings("tiny", "a nurse", 4, 3, 1, 2, ("gender", "race"), 0, "cpu")


@pytest.fixture(scope="module")
def result() -> dict:
    return iteration.measure(tiny_model(), SETTINGS, repeats=2)


def test_all_ways_side_by_side(result):
    assert list(result["ways"]) == list(iteration_ways.WAYS)
    for way in result["ways"].values():
        assert 0 < way["fastest"] <= way["seconds"] <= way["slowest"] and way["processor_seconds"] > 0
    json.dumps(result)


def test_stages_sum_to_the_whole_and_only_the_published_way_samples_again(result):
    for name, way in result["ways"].items():
        assert sum(way["stages"].values()) == pytest.approx(way["seconds"], rel=0.2)
        spent = {stage for stage, seconds in way["stages"].items() if seconds}
        assert spent >= {"sampling", "faces", "critics", "transport", "backward", "text encoder", "other"}
        assert ("sampling again" in spent) == (name == "published")
    for way in iteration_ways.WAYS[1:]:
        assert not result["ways"][way]["stages"]["originals"], "they were painted before"
    assert result["originals_seconds"] > 0


def test_the_floor_counts_the_passes_through_the_unet(result):
    """3 steps, 1 of them with gradient: 4 x 3 + 3, 3 + 3, 3 + 1; and of 2 steps 2 + 1. The graphs of a small model stay."""
    assert [way["passes"] for way in result["ways"].values()] == [[12, 3], [3, 3], [3, 1], [2, 1]]
    assert engine_passes(3, 1, again=True) == Passes(4, 1)
    operations = [way["operations"] for way in result["ways"].values()]
    assert operations[0] - operations[1] == 4 * 9 * forward_operations(), "images times passes"
    for way in result["ways"].values():
        assert way["floor"] == pytest.approx(way["operations"] / result["matrix_rate"])
    assert result["sampling_limit"] == pytest.approx(operations[0] / (4 * 3 * forward_operations()))


def forward_operations() -> int:
    return unet_operations(tiny_model(), 3.0).forward


def test_a_pass_counts_every_row_of_the_guidance():
    guided, plain = (unet_operations(tiny_model(), scale) for scale in (3.0, 1.0))
    assert guided.forward == 2 * plain.forward > 0 and guided.backward == 2 * plain.backward > 0
    assert 0.5 < plain.backward / plain.forward < 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys):
    with pytest.raises(SystemExit):
        iteration.parse(["--device", "cuda"])
    assert "no GPU here" in capsys.readouterr().err


def test_the_table_tells_figures_and_conditions(result):
    text = iteration.as_markdown(result | {"memory": {"published": 512.3, "engine, as tuned": None}})
    row, floor = (line for line in text.splitlines() if line.startswith("| published |"))
    assert "| 12 + 3 |" in floor and floor.endswith("| 1.00 |")
    assert f"{result['ways']['published']['seconds']:.2f}" in row and row.endswith("| 1.00 | "
        f"{result['ways']['published']['processor_seconds']:.2f} | 512 |")
    assert "4 images, 3 sampling steps, gender x race" in text and "load" in text and "VmHWM" in text


def test_fewer_sampling_steps_are_measured_where_asked_for():
    assert replace(SETTINGS, fewer_steps=0).ways == iteration_ways.WAYS[:-1]
    runs = iteration_ways.start(tiny_model(), SETTINGS)
    assert [run.config.sampling_steps for run in runs.values()] == [3, 3, 3, 2]
    assert [len(run.step_weights) for run in runs.values()] == [3, 3, 3, 2]


def test_a_wrong_count_is_refused():
    with pytest.raises(SystemExit):
        iteration.parse(["--repeats", "0"])


@pytest.mark.skipif(sys.platform != "linux", reason="the peak cannot be reset elsewhere")
def test_peak_memory_is_what_the_work_takes():
    def work() -> None:
        torch.ones(64 * 2**20 // 4).sum()
    assert peak_megabytes(work, torch.device("cpu")) == pytest.approx(64, abs=8)
