"""What is kept of a baseline, of faces' features and of CLIP's answers, and runs that have none of them."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.runs import CONFIG, comparison, image_set

from fairness_core.report import metrics_table, results_record, to_csv
from fairness_core.report.sides import likeness, side_rows
from fairness_core.report.text_tables import NOT_MEASURED, sides_table, tables_in_words
from fairness_core.results import Baseline, PromptComparison, joined
from fairness_core.runs import RunFolder, load_comparisons, save_comparisons
from fairness_core.settings.attributes import ASSETS


def measured(images, seed: int = 0):
    faces = np.random.default_rng(seed).standard_normal((len(images.found), 16)).astype(np.float32)
    return replace(images, faces=faces / np.linalg.norm(faces, axis=1, keepdims=True),
                   answers={"Glasses": np.array(["glasses", "no glasses"])[np.arange(len(images.found)) % 2]})


def whole(n: int = 12) -> PromptComparison:
    """Everything that can be measured."""
    plain = comparison(n)
    values = np.random.default_rng(5).random((5, n)).astype(np.float32)
    baseline = Baseline(("a female nurse",) * n, "", measured(image_set(n, 3)), *values[:4])
    return replace(plain, original=measured(plain.original, 1), tuned=measured(plain.tuned, 2), baseline=baseline, outside=values[4])


def test_everything_comes_back(folder):
    saved = whole()
    save_comparisons(folder, [saved])
    [loaded] = load_comparisons(folder)
    assert loaded.baseline.prompts == saved.baseline.prompts and loaded.baseline.left_alone == ""
    for name in ("clip_text", "clip_image", "dino", "outside"):
        np.testing.assert_array_equal(getattr(loaded.baseline, name), getattr(saved.baseline, name))
    np.testing.assert_array_equal(loaded.outside, saved.outside)
    for side in (lambda c: c.original, lambda c: c.tuned, lambda c: c.baseline.images):
        assert np.abs(side(loaded).faces @ side(loaded).faces.T - side(saved).faces @ side(saved).faces.T).max() < .02
        assert list(side(loaded).answers["Glasses"]) == list(side(saved).answers["Glasses"])
    assert len(list(folder.images.iterdir())) == 3
    save_comparisons(folder, [replace(loaded, baseline=None)])
    assert len(list(folder.images.iterdir())) == 2 and load_comparisons(folder)[0].baseline is None


def test_a_light_run_keeps_its_baseline_with_fewer_pictures(folder):
    save_comparisons(folder, [whole()], pictures=10)
    [loaded] = load_comparisons(folder)
    assert (loaded.tuned.shown, loaded.baseline.images.shown, len(loaded.baseline.images.found)) == (10, 8, 12)


def test_more_images_have_what_both_have():
    first, second = whole(3), replace(whole(2), prompt="a nurse")
    both = joined(first, second)
    assert len(both.original.faces) == len(both.outside) == len(both.tuned.answers["Glasses"]) == 5
    assert both.baseline is None  # a figure is of all images or of none
    older = joined(first, comparison(2))
    assert older.original.faces is older.outside is None and older.original.answers == {}


@pytest.mark.parametrize("old", [comparison(), load_comparisons(RunFolder(ASSETS / "recorded" / "mini-short"))[0]])
def test_runs_of_before_are_not_measured_and_do_not_fail(old):
    old = replace(old, baseline=None, outside=None, original=replace(old.original, faces=None, answers={}))
    tables = tables_in_words([old], CONFIG)
    assert tables.pop("Do faces of a class stay different?") is None and tables.pop("What else moved") is None
    [sides] = tables.values()
    assert all(row.cells[1] == (NOT_MEASURED, "") for row in sides.rows)
    [row] = [r for r in metrics_table([old], CONFIG.target()) if r["attribute"] == "gender"]
    assert row["bias_baseline"] is row["clip_text_baseline"] is None and ",,," in to_csv([row])
    record = results_record([old], CONFIG)
    assert record["diversity"] == record["side_effects"] == [] and record["prompts"][0]["baseline"] is None


def test_the_three_ways_stand_side_by_side():
    found = whole()
    rows = {(row.measure, row.attribute): row for row in side_rows([found], CONFIG)}
    assert set(rows) == {("distance", "gender"), ("bias", "gender"), ("clip_text", ""), ("clip_image", ""), ("dino", "")}
    assert rows["clip_image", ""].figures["before"] is None
    alike = rows["clip_image", ""].figures["baseline"]
    assert alike.value == pytest.approx(found.baseline.clip_image.mean()) and alike.low < alike.value < alike.high
    distance = rows["distance", "gender"]
    assert distance.floor and all(f.low <= f.value <= f.high for f in distance.figures.values())
    told = sides_table(list(rows.values()))
    assert told.plain()[0] == ["Measure", "Original", "Words in the prompt", "Finetuned"]
    uneven = replace(CONFIG, marginals={"gender": {"female": .2, "male": .8}})
    assert [row.measure for row in side_rows([found], uneven)][:2] == ["distance", "clip_text"]


def test_likeness_of_one_value_has_no_interval_and_of_none_is_none():
    assert likeness([np.array([.5])]).low is None and likeness([None]) is None and likeness([np.array([np.nan])]) is None


def test_the_record_tells_all_of_it():
    record = results_record([whole()], CONFIG)
    baseline = record["prompts"][0]["baseline"]
    assert baseline["prompts"][0] == "a female nurse" and 0 <= baseline["frequencies"]["gender"]["female"]["low"] <= 1
    assert {row["class_name"] for row in record["diversity"]} == {"female", "male", "wmelh", "asian", "black", "indian"}
    assert record["side_effects"][0]["came"]["changed"]["Glasses"]["n"] == record["side_effects"][0]["came"]["pictures"]
