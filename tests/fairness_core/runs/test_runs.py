import json
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from helpers.runs import CONFIG, comparison, portraits

from fairness_core.about import About
from fairness_core.adapters.files import LORA_FILE, TOKENS_FILE
from fairness_core.events import FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.results import PromptComparison
from fairness_core.runs import (RunError, RunFolder, append_event, bundle, load_comparisons, new_run_id, read_about,
                                read_config, read_events, run_path, save_about, save_comparisons, save_config)

STEP = StepDone(1, 30, 6.25, "a nurse", {"total": 1 / 3, "face": float("nan")}, {"gender": 0.1}, 16, 15)



def assert_same(a: PromptComparison, b: PromptComparison) -> None:
    assert (a.prompt, a.held_out) == (b.prompt, b.held_out)
    for name in ("clip_text_original", "clip_text_tuned", "clip_image", "dino"):
        assert_same_array(getattr(a, name), getattr(b, name))
    for left, right in ((a.original, b.original), (a.tuned, b.tuned)):
        assert (left.prompt, left.numbers) == (right.prompt, right.numbers)
        assert_same_array(left.found, right.found)
        assert_same_array(left.boxes, right.boxes)
        assert left.probabilities.keys() == right.probabilities.keys()
        for name, values in left.probabilities.items():
            assert_same_array(values, right.probabilities[name])
        assert right.images.shape == left.images.shape and right.images.dtype == np.uint8
        assert np.abs(left.images.astype(int) - right.images).mean() < 3


def assert_same_array(a: np.ndarray, b: np.ndarray) -> None:
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- names

def test_new_ids_are_accepted_and_differ():
    ids = {new_run_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(run_path(Path("/runs"), i).path == Path("/runs") / i for i in ids)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc", "a\n", "A", "a.b", "-a", "a--b", "a" * 65, "é", None])
def test_ids_that_could_leave_the_folder_are_refused(name):
    with pytest.raises(RunError, match="not the id of a run"):
        run_path(Path("/runs"), name)


# ---------------------------------------------------------------- settings

def test_config_and_about_round_trip(folder):
    about = About(title="Nurses, 50/50 · été", recorded=True, machine="2 cores", date="2025-01-31T14:25:01+00:00",
                  seconds=191.5, note="made by this code", model="mini")
    save_config(folder, CONFIG)
    save_about(folder, about)
    assert read_config(folder) == CONFIG
    assert read_about(folder) == about


def test_a_bare_date_in_about_is_read_as_text(folder):
    save_config(folder, CONFIG)
    folder.about.write_text("title: Nurses\ndate: 2025-01-31\n", encoding="utf-8")
    assert read_about(folder).date == "2025-01-31"


def test_damaged_settings_are_named(folder):
    with pytest.raises(RunError, match="not a run's folder"):
        read_config(folder)
    folder.path.mkdir()
    for text in ("", "- a\n", "{", "stepz: 3\n", "steps: 0\n"):
        folder.config.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="config.yaml"):
            read_config(folder)
    folder.about.write_text("titel: x\n", encoding="utf-8")
    with pytest.raises(RunError, match="titel"):
        read_about(folder)


# ---------------------------------------------------------------- events

def test_events_round_trip_in_order(folder):
    adapter = folder.adapter
    film = FilmStrip(5, "a nurse", portraits(6, 1))
    events = [Started(0, 30), replace(STEP, losses={"total": 1 / 3}), film, Saved(10, adapter),
              Finished(10, "stopped", adapter)]
    for event in events:
        append_event(folder, event)
    read = read_events(folder)
    assert read[:2] == events[:2] and read[3:] == events[3:]
    assert (read[2].step, read[2].prompt, read[2].images.shape) == (5, "a nurse", film.images.shape)
    assert np.abs(read[2].images.astype(int) - film.images).mean() < 3


def test_values_that_are_not_finite_and_numpy_scalars_round_trip(folder):
    append_event(folder, replace(STEP, distance={"gender": np.float32(0.25)}))
    [read] = read_events(folder)
    assert np.isnan(read.losses["face"]) and read.losses["total"] == 1 / 3 and read.distance == {"gender": 0.25}


def test_events_are_json_for_every_reader_and_those_written_before_still_load(folder):
    append_event(folder, replace(STEP, distance={"gender": float("inf")}))
    text = folder.events.read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail)["losses"]["face"] is None
    assert np.isnan(read_events(folder)[0].distance["gender"])
    folder.events.write_text(text.replace("null", "NaN"), encoding="utf-8")
    assert np.isnan(read_events(folder)[0].losses["face"])


def test_a_moved_run_finds_its_adapter(folder, tmp_path):
    append_event(folder, Saved(10, folder.adapter))
    moved = RunFolder(folder.path.rename(tmp_path / "elsewhere"))
    assert read_events(moved) == [Saved(10, moved.adapter)]


def test_a_truncated_last_line_is_left_out_and_then_cut_off(folder):
    append_event(folder, Started(0, 30))
    append_event(folder, STEP)
    folder.events.write_bytes(folder.events.read_bytes()[:-9])
    assert read_events(folder) == [Started(0, 30)]
    append_event(folder, Started(1, 30))
    assert read_events(folder) == [Started(0, 30), Started(1, 30)]


def test_a_damaged_line_is_named(folder):
    append_event(folder, Started(0, 30))
    for line in ("{nonsense", "3", '{"type": "Party"}', '{"type": "Started"}', "{}"):
        first = folder.events.read_text(encoding="utf-8").split("\n")[0]
        folder.events.write_text(f"{first}\n{line}\n", encoding="utf-8")
        with pytest.raises(RunError, match="Line 2"):
            read_events(folder)


def test_a_film_strip_without_its_images_is_named(folder):
    append_event(folder, FilmStrip(5, "a nurse", portraits(2, 1)))
    next(folder.film.iterdir()).unlink()
    with pytest.raises(RunError, match="000005.webp"):
        read_events(folder)


def test_nothing_recorded_is_no_error(folder):
    assert read_events(folder) == [] and load_comparisons(folder) == []


# ---------------------------------------------------------------- comparisons

def test_comparisons_round_trip(folder):
    saved = [comparison(5, 0), replace(comparison(1, 10, held_out=False), prompt="a judge")]
    save_comparisons(folder, saved)
    loaded = load_comparisons(folder)
    assert len(loaded) == 2
    for a, b in zip(saved, loaded):
        assert_same(a, b)


def test_comparisons_with_nan_are_json_for_every_reader_and_those_written_before_still_load(folder):
    nothing = replace(comparison(3), dino=np.array([np.nan, .5, .25], np.float32))
    save_comparisons(folder, [nothing])
    text = folder.comparisons.read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail)[0]["dino"]["values"] == [None, .5, .25]
    assert_same(nothing, load_comparisons(folder)[0])
    folder.comparisons.write_text(text.replace("null", "NaN"), encoding="utf-8")
    assert_same(nothing, load_comparisons(folder)[0])


def test_saving_again_leaves_no_old_images(folder):
    save_comparisons(folder, [comparison(5, 0), comparison(5, 10)])
    save_comparisons(folder, [comparison(5, 20)])
    assert len(list(folder.images.iterdir())) == 2
    assert_same(comparison(5, 20), load_comparisons(folder)[0])


@pytest.mark.parametrize("failing", ["fairness_core.runs.sheets.Image.Image.save", "fairness_core.files.os.replace"])
def test_a_full_disk_keeps_the_earlier_comparisons(folder, monkeypatch, failing):
    save_comparisons(folder, [comparison(5, 0)])

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(failing, full)
        with pytest.raises(OSError, match="No space"):
            save_comparisons(folder, [comparison(5, 20)])
    assert_same(comparison(5, 0), load_comparisons(folder)[0])
    assert not list(folder.path.rglob("*.partial"))


def test_damaged_comparisons_are_named(folder):
    save_comparisons(folder, [comparison()])
    sheet = folder.images / json.loads(folder.comparisons.read_text(encoding="utf-8"))[0]["tuned"]["sheet"]
    sheet.write_bytes(b"nothing")
    with pytest.raises(RunError, match="cannot be read"):
        load_comparisons(folder)
    for text in ("[{}]", "[", "3", '[{"prompt": "x"}]'):
        folder.comparisons.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="compare again"):
            load_comparisons(folder)


def test_a_sheet_of_another_size_is_named(folder):
    save_comparisons(folder, [comparison(5)])
    records = json.loads(folder.comparisons.read_text(encoding="utf-8"))
    records[0]["tuned"]["shape"][0] = 50
    folder.comparisons.write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(RunError, match="another run"):
        load_comparisons(folder)


def test_no_images_cannot_be_saved(folder):
    with pytest.raises(RunError, match="at least one"):
        save_comparisons(folder, [comparison(0)])


# ---------------------------------------------------------------- download

def test_bundle_holds_what_is_needed_to_use_and_judge_the_adapter(folder):
    save_config(folder, CONFIG)
    append_event(folder, STEP)
    with pytest.raises(RunError, match="no adapter yet"):
        bundle(folder)
    folder.adapter.parent.mkdir()
    folder.adapter.write_bytes(b"weights")
    save_comparisons(folder, [comparison()])
    with ZipFile(bundle(folder)) as archive:
        assert set(archive.namelist()) == {LORA_FILE, "config.yaml", "metrics.csv", "report.html", "README.md"}
        assert archive.read(LORA_FILE) == b"weights"
        assert archive.read("metrics.csv").count(b"\n") > 1


def test_the_adapter_is_found_under_the_names_it_is_saved_under(folder):
    assert folder.adapter.name == LORA_FILE
    folder.adapter.parent.mkdir(parents=True)
    folder.adapter.with_name(TOKENS_FILE).write_bytes(b"tokens")
    assert folder.adapter.name == TOKENS_FILE
