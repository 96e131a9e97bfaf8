"""The table, the record, the figures and the report of pictures made elsewhere."""

import json
import re

import numpy as np
import pytest
from helpers.fake_pictures import BLACK, BLUE, RED, colour_judge, folder_of_pictures

from fairness_core.about import About
from fairness_core.metrics import bias, distance_to_target, wilson_interval
from fairness_core.pictures.judged import Judged
from fairness_core.pictures.judging import judge_pictures
from fairness_core.pictures.limits import PicturesError
from fairness_core.plots.judged import joint_shares, judged_bars, share_plot
from fairness_core.report.judged import (COLUMNS, joint_counts, judged_html, judged_record, judged_table,
                                         judged_verdicts, pictures_csv, printed)
from fairness_core.settings.attributes import load_attributes, parity
from fairness_core.strict_json import to_json

GENDER = load_attributes()["gender"]


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Judged:
    root = folder_of_pictures(tmp_path_factory.mktemp("pictures"), {
        "nurse": [RED] * 9 + [BLUE], "judge": [RED] * 3 + [BLUE] * 5 + [BLACK] * 2, "<b>": [RED, BLUE], "nobody": [BLACK]})
    (root / "nurse" / "odd.png").write_bytes(b"no picture")
    return list(judge_pictures([root], colour_judge()))[-1]


def test_the_table_measures_what_was_perceived(judged):
    gender, race, age = judged_table(judged, parity("gender"))
    assert set(gender) == set(COLUMNS) and (gender["controlled"], race["controlled"]) == (True, False)
    assert (gender["prompts"], gender["pictures"], gender["faces"], gender["no_face"]) == (4, 23, 20, 3)
    shares = [np.array([.9, .1]), np.array([3 / 8, 5 / 8]), np.array([.5, .5])]
    assert gender["bias"] == pytest.approx(np.mean([bias(s) for s in shares]))
    assert gender["distance"] == pytest.approx(np.mean([distance_to_target(s, np.array([.5, .5])) for s in shares]))
    assert gender["distance_low"] <= gender["distance"] <= gender["distance_high"] and gender["distance_floor"] > 0
    assert (gender["unsure"], race["unsure"]) == (0, 20) and race["distance"] is None and gender["clip_text"] is None
    header, rows = printed([gender, race, age])
    assert all(len(row) == len(header) for row in rows) and rows[0][2] == "20 / 23" and "not in the target" in rows[1][0]


def test_joint_targets_have_their_own_row(judged):
    rows = judged_table(judged, parity("gender", "race"))
    assert [row["attribute"] for row in rows] == ["gender", "race", "gender x race", "age"] and rows[2]["unsure"] is None
    assert joint_counts(judged, ("gender", "race")).sum() == 20


def test_the_record_is_json_and_tells_who_judged_and_what_was_left_out(judged):
    record = json.loads(to_json(judged_record(judged, parity("gender"))))
    assert record["judge"]["name"] == "built-in" and "not to be trusted" in record["warning"]
    assert record["skipped"] == [{"name": "nurse/odd.png", "why": record["skipped"][0]["why"]}]
    nurse = next(p for p in record["prompts"] if p["prompt"] == "nurse")
    low, high = wilson_interval(9, 10)
    assert nurse["frequencies"]["gender"]["female"] == pytest.approx({"frequency": .9, "low": low, "high": high})
    assert record["audit"]["status"] in ("pass", "fail", "cannot tell") and record["audit"]["attributes"][0]["prompts"]
    assert record["verdicts"]["gender"]["status"] == judged_verdicts(judged, parity("gender"))["gender"].status


def test_the_report_is_one_file_that_shows_it_all_and_escapes_names(judged):
    text = judged_html(judged, parity("gender", "race"), About("Audit of 23 pictures", date="2026-01-01"))
    assert text.startswith("<!doctype html>") and "Built-in (knows synthetic faces only)" in text
    assert "not to be trusted" in text and "nurse/odd.png" in text and "data:image/webp;base64" in text
    assert "“&lt;b&gt;”" in text and not re.search(r'src="https?:', text)
    assert pictures_csv(judged).count("\n") == 24


def test_the_figures_have_one_side_with_intervals_and_the_target(judged):
    figure = share_plot(judged.image_sets, GENDER, "female", .5)
    assert figure.layout.yaxis.ticktext == ("nobody", "nurse", "&lt;b&gt;", "judge")
    assert [trace.name for trace in figure.data] == ["pictures"] and len(figure.data[0].x) == 3
    assert "90 % [60 %, 98 %], 9 of 10 faces" in figure.data[0].text[0] and figure.layout.annotations[0].text == "target 50 %"
    by_name = share_plot(judged.image_sets, GENDER, "male", {s.prompt: .25 for s in judged.image_sets}, by_name=True)
    assert by_name.layout.yaxis.ticktext[-1] == "&lt;b&gt;" and by_name.data[1].name == "target"
    bars = judged_bars(judged.image_sets, GENDER, np.array([.5, .5]))
    assert list(bars.data[0].y) == pytest.approx([65, 35]) and list(bars.data[1].y) == pytest.approx([0, 300 / 23])
    joint = joint_shares(None, joint_counts(judged, ("gender", "age")), GENDER, load_attributes()["age"])
    assert np.sum(joint.data[0].z) == pytest.approx(100)


def test_what_the_classifier_does_not_perceive_is_said(judged):
    alone = [type(s)(s.prompt, s.numbers, s.images, s.found, s.boxes, {"gender": s.probabilities["gender"]}) for s in judged.image_sets]
    only = Judged(judged.judge, "largest", tuple(type(one)(s, one.files, one.pictures, one.several, one.clip_text)
                                                 for one, s in zip(judged.prompts, alone)), {"folders": 23})
    with pytest.raises(PicturesError, match="perceives gender, not race"):
        judged_table(only, parity("race"))
    race = load_attributes()["race"]
    for figure in (share_plot(alone, race, "asian"), judged_bars(alone, race),
                   joint_shares(None, joint_counts(only, ("gender", "race")), GENDER, race)):
        assert figure.layout.annotations[0].text == "Not perceived by this classifier"


def test_pictures_without_any_face_are_no_error(tmp_path):
    root = folder_of_pictures(tmp_path, {"nobody": [BLACK] * 3})
    found = list(judge_pictures([root], colour_judge()))[-1]
    [gender, *_] = judged_table(found, parity("gender"))
    assert gender["faces"] == 0 and gender["bias"] is None and judged_verdicts(found, parity("gender")) == {}
    assert "nothing to judge" in judged_html(found, parity("gender"), About("Audit"))
    assert judged_record(found, parity("gender"))["audit"]["status"] == "cannot tell"
