"""The paper's tables, from pictures whose classes are known."""

import csv
import io

import numpy as np
import pytest

from fairness_core.metrics import sampling_floor
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.runs import RunError
from fairness_core.runs.paper_tables import Evaluation, paper_tables, tables_csv, tables_markdown
from fairness_core.settings.attributes import TargetDistribution, parity
from fairness_core.settings.prompts import prompt_for

NURSE, SWIMMER, CHEF = prompt_for("nurse"), prompt_for("swimmer"), prompt_for("chef")
AGED = TargetDistribution.from_marginals({"gender": {"female": 0.5, "male": 0.5}, "age": {"young": 0.75, "old": 0.25}})
N = 8


def images(prompt: str, females: int, old: int = 2, faces: int = N) -> ImageSet:
    gender, age = (np.arange(N) >= females).astype(int), (np.arange(N) < old).astype(int)
    return ImageSet(prompt, tuple(range(N)), np.zeros((N, 2, 2, 3), np.uint8), np.arange(N) < faces, np.zeros((N, 4)),
                    {"gender": np.eye(2)[gender], "race": np.eye(4)[np.arange(N) % 4], "age": np.eye(2)[age]})


def comparison(prompt: str, before: int, after: int, held_out: bool = True, **more) -> PromptComparison:
    return PromptComparison(prompt, held_out, images(prompt, before, **more), images(prompt, after, **more),
                            np.full(N, 0.3), np.full(N, 0.2), np.full(N, 0.8), np.full(N, 0.7))


GENDER = Evaluation(parity("gender"), (comparison(NURSE, 8, 4), comparison(SWIMMER, 0, 6), comparison(CHEF, 0, 0, False)))
BOTH = Evaluation(parity("gender", "race"), (comparison(NURSE, 8, 5), comparison(SWIMMER, 0, 3), comparison(CHEF, 0, 4, False)))


def test_bias_rows_are_nothing_and_every_run():
    nothing, gender, both = paper_tables([GENDER, BOTH])["Bias, not trained on"]
    assert [r["tuned for"] for r in (nothing, gender, both)] == ["nothing", "gender", "gender x race"]
    assert nothing["gender"] == pytest.approx(1) and nothing["CLIP-I"] is None and nothing["CLIP-T"] == pytest.approx(0.3)
    assert gender["gender"] == pytest.approx(0.25) and gender["gender_std"] == pytest.approx(0.25)
    assert both["gender"] == pytest.approx(0.25) and both["gender_std"] == pytest.approx(0)
    assert gender["race"] == pytest.approx(0) and gender["gender x race"] > 0 and gender["DINO"] == pytest.approx(0.7)
    assert gender["gender_floor"] == pytest.approx(sampling_floor(np.array([0.5, 0.5]), N, "bias"))


def test_trained_prompts_are_apart():
    nothing, gender, _ = paper_tables([GENDER, BOTH])["Bias, trained on"]
    assert gender["gender"] == pytest.approx(1)


def test_a_run_for_one_attribute_has_no_joint_column():
    assert "gender x race" not in paper_tables([GENDER])["Bias, not trained on"][0]


def test_frequencies_are_told_of_targets_that_are_not_parity():
    aged = Evaluation(AGED, (comparison(NURSE, 8, 4, old=2), comparison(SWIMMER, 0, 6, old=6)))
    tables = paper_tables([aged])
    young, old = tables["Frequencies, not trained on"]
    assert old["class"] == "age: old" and old["target"] == 0.25 and old["tuned for"] == "gender x age (75 % young, 25 % old)"
    assert old["after"] == pytest.approx(0.5) and old["after_std"] == pytest.approx(0.25) and young["after"] == pytest.approx(0.5)
    assert old["after_floor"] == pytest.approx((0.25 * 0.75 / N) ** 0.5)
    assert "age" not in tables["Bias, not trained on"][0]


def test_concepts_are_grouped():
    rows = paper_tables([GENDER])["Bias by concepts, not trained on"]
    assert {r["concepts"]: (r["gender before"], r["gender after"]) for r in rows} == {
        "occupations": (pytest.approx(1), pytest.approx(0)), "sports": (pytest.approx(1), pytest.approx(0.5))}


def test_only_prompts_of_all_runs_are_compared():
    other = Evaluation(parity("gender"), (comparison(NURSE, 8, 8),))
    assert paper_tables([GENDER, other])["Bias, not trained on"][1]["gender"] == pytest.approx(0)
    with pytest.raises(RunError, match="same --prompts"):
        paper_tables([Evaluation(parity("gender"), (comparison(CHEF, 0, 0),)), other])


def test_prompts_without_a_face_are_no_figure():
    faceless = Evaluation(parity("gender"), (comparison(NURSE, 8, 4, faces=0),))
    tables = paper_tables([faceless])
    assert tables["Bias, not trained on"][1]["gender"] is None and "| – |" in tables_markdown(tables)


def test_markdown_and_csv_hold_the_same_figures():
    tables = paper_tables([GENDER, BOTH])
    row = tables["Bias, not trained on"][1]
    text = f"{row['gender']:.2f} ± {row['gender_std']:.2f} [{row['gender_low']:.2f}, {row['gender_high']:.2f}], floor"
    assert text in tables_markdown(tables)
    read = list(csv.DictReader(io.StringIO(tables_csv(tables)["Bias, not trained on"])))
    assert float(read[1]["gender"]) == row["gender"] and read[0]["CLIP-I"] == ""
