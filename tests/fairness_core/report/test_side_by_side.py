"""Runs side by side: which prompts count, what each point is, the plot, the table and its files."""

import csv
import io
from dataclasses import replace

import pytest
from helpers.runs import CONFIG, comparison, image_set

from fairness_core.report.side_by_side import (ORIGINAL, TUNED, WORDS, Run, SideBySideError, attributes_of, points,
                                               shared_prompts, side_by_side_csv, side_by_side_table)
from fairness_core.report.side_by_side_figure import figure_of_runs
from fairness_core.report.side_by_side_page import side_by_side_html
from fairness_core.report.text_tables import NOT_MEASURED
from fairness_core.results import Baseline, PromptComparison
from fairness_core.runs import RunFolder, load_comparisons, save_comparisons, strength_folder, strength_sweep

RACE = replace(CONFIG, marginals={"race": dict.fromkeys(("wmelh", "asian", "black", "indian"), .25)})


def compared(prompt: str, seed: int, words: bool = False) -> PromptComparison:
    one = comparison(12, seed)
    before, after = (replace(images, prompt=prompt) for images in (one.original, one.tuned))
    baseline = Baseline((f"female {prompt}",) * 12, "", replace(image_set(12, seed + 9), prompt=prompt),
                        one.clip_image, one.dino, one.clip_image)
    return replace(one, prompt=prompt, original=before, tuned=after, baseline=baseline if words else None)


def run(name: str, *prompts: str, strengths=(1.0,), config=CONFIG, words: bool = False) -> Run:
    return Run(name, config, {s: [compared(p, 7 * i + int(10 * s), words) for i, p in enumerate(prompts)] for s in strengths})


def test_each_run_has_its_original_its_strengths_and_words_in_the_prompt():
    found = points([run("a", "nurse", "chef", strengths=(1.0, .5), words=True), run("b", "nurse", "chef")], "gender")
    assert [(p.run, p.way, p.strength) for p in found] == [
        ("a", ORIGINAL, 0.0), ("a", TUNED, .5), ("a", TUNED, 1.0), ("a", WORDS, None), ("b", ORIGINAL, 0.0), ("b", TUNED, 1.0)]
    assert all((p.prompts, p.images) == (2, 24) and p.distance.low <= p.distance.value <= p.distance.high for p in found)
    assert found[0].clip_image.value == found[0].dino.value == 1 and found[0].clip_image.low is None
    assert all(p.clip_image.low <= p.clip_image.value <= p.clip_image.high for p in found if p.way != ORIGINAL)


def test_figures_are_of_the_prompts_that_all_runs_share():
    first, second = run("a", "nurse", "chef"), run("b", "chef", "judge")
    assert shared_prompts([first, second]) == {"chef"} and {p.prompts for p in points([first, second], "gender")} == {1}
    apart = points([first, run("c", "poet")], "gender")
    assert [p.prompts for p in apart] == [2, 2, 1, 1]
    assert run("d", "nurse", strengths=(.5, 1.0)).prompts == {"nurse"} and shared_prompts([]) == set()


def test_a_run_that_does_not_control_the_attribute_has_no_distance():
    found = points([run("a", "nurse"), run("b", "nurse", config=RACE)], "gender")
    assert [p.distance is None for p in found] == [False, False, True, True]
    assert side_by_side_table(found).rows[2].cells[0] == (NOT_MEASURED, "")
    assert attributes_of([run("a", "nurse"), run("b", "nurse", config=RACE), run("c", "nurse")]) == ["gender", "race"]
    free = replace(CONFIG, marginals={})
    assert attributes_of([run("a", "nurse", config=free)]) == [] and points([run("a", "nurse", config=free)], "gender")[0].distance is None


def test_joint_targets_are_measured_jointly():
    both = replace(CONFIG, marginals={**RACE.marginals, **CONFIG.marginals})
    assert attributes_of([run("a", "nurse", config=both)]) == ["race", "gender", "race x gender"]
    assert points([run("a", "nurse", config=both)], "race x gender")[1].distance.value > 0


def test_too_many_or_twice_the_same_is_refused():
    with pytest.raises(SideBySideError, match="at most 6"):
        points([run(str(i), "nurse") for i in range(7)], "gender")
    with pytest.raises(SideBySideError, match="twice"):
        points([run("a", "nurse")] * 2, "gender")


def test_a_curve_a_run_with_intervals_both_ways():
    found = points([run("a", "nurse", "chef", strengths=(.5, 1.0, 1.5), words=True), run("<b>", "nurse", "chef")], "gender")
    figure = figure_of_runs(found, "Perceived gender")
    curve, words, other = figure.data
    assert list(curve.text) == ["", "0.5", "1", "1.5"] and curve.x[0] == 1 and words.marker.symbol == "x"
    for trace in figure.data:
        assert len(trace.error_x.array) == len(trace.error_y.array) == len(trace.x)
        assert all(value >= -1e-9 for error in (trace.error_x, trace.error_y) for part in (error.array, error.arrayminus)
                   for value in part)
    assert "<b>" not in other.name and curve.line.color != other.line.color
    assert "choose runs" in figure_of_runs([], "Perceived gender").layout.annotations[0].text


def test_what_is_handed_on_holds_every_figure():
    found = points([run("a", "nurse", words=True), run("<i>b</i>", "nurse", config=RACE)], "gender")
    rows = list(csv.DictReader(io.StringIO(side_by_side_csv(found))))
    assert len(rows) == len(found) and float(rows[1]["distance"]) == found[1].distance.value and rows[3]["distance"] == ""
    assert rows[2]["way"] == WORDS and rows[2]["strength"] == ""
    html = side_by_side_html(found, "gender", "On the 1 prompt.")
    assert "<i>b</i>" not in html.replace("\\u003c", "") and html.count("plotly.js v") == 1 and "On the 1 prompt." in html


def test_strengths_are_read_back_in_order(tmp_path):
    folder = RunFolder(tmp_path / "run")
    for strength in (1.5, .25):
        save_comparisons(strength_folder(folder, strength), [comparison(3, int(strength))])
    (folder.path / "strength-nonsense").mkdir()
    (folder.path / "strength-2").mkdir()
    assert list(strength_sweep(folder)) == [.25, 1.5] and load_comparisons(strength_folder(folder, .25))
