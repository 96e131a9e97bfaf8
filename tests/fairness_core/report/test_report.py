import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import yaml

from fairness_core.about import About
from fairness_core.events import StepDone
from fairness_core.metrics import sampling_floor
from fairness_core.report import metrics_table, model_card, results_record, to_csv, to_html
from fairness_core.report.card import model_source
from fairness_core.report.html import joint_frequencies, report_figures
from fairness_core.report.settings import target_rows
from fairness_core.report.table import COLUMNS
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import parity
from fairness_core.settings.config import FinetuneConfig

HALVES = {"gender": {"female": 0.5, "male": 0.5}}
CONFIG = FinetuneConfig(prompts=("a photo of the face of a nurse, a person",), marginals=HALVES, steps=30)
ABOUT = About("Nurses <50/50>", recorded=True, machine="2 cores", date="2025-01-31", seconds=190.0)


def image_set(females: int, faces: int, n: int) -> ImageSet:
    labels = np.arange(n) >= females
    probabilities = {"gender": np.eye(2)[labels.astype(int)], "race": np.eye(4)[np.arange(n) % 4]}
    return ImageSet(CONFIG.prompts[0], tuple(range(n)), np.full((n, 16, 16, 3), 90, np.uint8), np.arange(n) < faces,
                    np.tile([4.0, 4, 12, 12], (n, 1)), probabilities)


def comparison(before: int, after: int, held_out: bool, faces: int = 8, n: int = 10) -> PromptComparison:
    return PromptComparison("a photo of the face of a nurse, a person", held_out, image_set(before, faces, n),
                            image_set(after, faces, n), np.full(n, 0.3), np.full(n, 0.25), np.full(n, 0.8),
                            np.array([np.nan] + [0.7] * (n - 1)))


COMPARISONS = [comparison(0, 4, False), comparison(2, 2, False), comparison(8, 6, True)]


def row(table: list[dict], attribute: str, group: str) -> dict:
    [found] = [r for r in table if (r["attribute"], r["group"]) == (attribute, group)]
    return found


def test_measures_are_means_over_the_prompts_of_a_group():
    table = metrics_table(COMPARISONS, parity("gender"))
    trained = row(table, "gender", "trained on")
    assert trained["bias_before"] == pytest.approx((1 + 0.5) / 2) and trained["bias_after"] == pytest.approx((0 + 0.5) / 2)
    assert trained["distance_after"] == pytest.approx(0.125)
    assert (trained["prompts"], trained["images"], trained["faces_before"], trained["faces_after"]) == (2, 20, 16, 16)
    assert row(table, "gender", "not trained on")["bias_before"] == pytest.approx(1)
    assert row(table, "gender", "all")["prompts"] == 3


def test_every_measure_has_its_interval_and_floor():
    everything = row(metrics_table(COMPARISONS, parity("gender")), "gender", "all")
    for key in ("bias_before", "bias_after", "distance_before", "distance_after"):
        assert everything[f"{key}_low"] <= everything[key] <= everything[f"{key}_high"]
    assert everything["bias_floor"] == pytest.approx(sampling_floor(np.array([0.5, 0.5]), 8, "bias"))
    assert everything["distance_floor"] == pytest.approx(sampling_floor(np.array([0.5, 0.5]), 8))


def test_prompts_with_their_own_target_are_measured_marked_and_listed():
    """Two of eight faces are perceived as female: far from half, and exactly the quarter that was asked for."""
    quarter = replace(CONFIG, targets_by_prompt={CONFIG.prompts[0]: {"gender": {"female": 0.25, "male": 0.75}}})
    compared = [comparison(0, 2, False)]
    general = row(metrics_table(compared, CONFIG.target(), CONFIG.own_targets()), "gender", "all")
    own = row(metrics_table(compared, quarter.target(), quarter.own_targets()), "gender", "all")
    assert general["distance_after"] == pytest.approx(0.25) and own["distance_after"] == 0
    assert own["distance_floor"] == pytest.approx(sampling_floor(np.array([0.25, 0.75]), 8))
    assert target_rows(quarter)[2:] == [["Perceived gender, nurse", "Female", "25 %"], ["Perceived gender, nurse", "Male", "75 %"]]
    [marks] = [trace for figure in report_figures([], compared, quarter) for trace in figure.data if trace.name == "target"
               and trace.mode == "markers"]
    assert list(marks.x) == [25]


def test_similarities_ignore_what_is_not_finite():
    everything = row(metrics_table(COMPARISONS, parity("gender")), "gender", "all")
    assert [everything[k] for k in ("clip_text_before", "clip_text_after", "clip_image", "dino")] == pytest.approx(
        [0.3, 0.25, 0.8, 0.7])


def test_side_effects_on_other_attributes_are_told_without_a_target():
    race = row(metrics_table(COMPARISONS, parity("gender")), "race", "all")
    assert not race["controlled"] and race["distance_after"] is None and race["bias_after"] == pytest.approx(0)


def test_several_attributes_have_a_joint_row():
    table = metrics_table(COMPARISONS, parity("gender", "race"))
    assert row(table, "gender x race", "all")["controlled"] and len(table) == 9


def test_groups_are_only_split_where_both_exist():
    assert [r["group"] for r in metrics_table(COMPARISONS[:2], parity("gender", "race"))] == ["all"] * 3
    assert metrics_table([], parity("gender")) == []


def test_no_face_is_not_measured_rather_than_fair():
    [gender, _] = metrics_table([comparison(4, 4, False, faces=0)], parity("gender"))
    assert gender["bias_before"] is None and gender["distance_after"] is None and gender["faces_after"] == 0
    assert to_csv([gender]).splitlines()[1].startswith("gender,True,all,1,10,0,0,,,")


def test_csv_reads_back():
    table = metrics_table(COMPARISONS, parity("gender"))
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(table)
    assert float(rows[0]["bias_before"]) == table[0]["bias_before"] and rows[-1]["distance_after"] == ""


def test_joint_frequencies_are_of_faces_only():
    frequencies, faces = joint_frequencies([image_set(4, 8, 10)], parity("gender", "race").attributes)
    assert faces == 8 and frequencies.shape == (2, 4) and frequencies == pytest.approx(np.full((2, 4), 1 / 8))
    empty, faces = joint_frequencies([image_set(4, 0, 10)], parity("gender", "race").attributes)
    assert faces == 0 and np.isnan(empty).all()


def test_html_is_self_contained_and_escaped():
    steps = [StepDone(1, 30, 6.0, "p", {"total": 1.0}, {"gender": 0.2}, 16, 15)]
    html = to_html(CONFIG, steps, COMPARISONS, ABOUT)
    assert "Recorded run." in html and "Nurses &lt;50/50&gt;" in html and "<50/50>" not in html
    assert 'src="http' not in html and "src='http" not in html and 'rel="stylesheet"' not in html
    assert html.count("plotly.js v") == 1 and html.count("data:image/webp;base64,") == 6
    assert "0.12 [" in html and "Bias floor" in html and "Perceived gender" in html


def test_html_before_any_comparison_says_so():
    html = to_html(CONFIG, [], [], About("New"))
    assert "Nothing was compared yet" in html and "Recorded run." not in html


def test_html_of_a_run_without_a_face_is_made():
    both = FinetuneConfig(marginals=HALVES | {"race": dict.fromkeys(("wmelh", "asian", "black", "indian"), 0.25)})
    assert "–" in to_html(both, [], [comparison(4, 4, False, faces=0)], ABOUT)


def test_model_card_can_be_followed():
    card = model_card(CONFIG, metrics_table(COMPARISONS, CONFIG.target()), ABOUT)
    _, matter, body = card.split("---\n", 2)
    assert yaml.safe_load(matter)["library_name"] == "diffusers" and "base_model" not in yaml.safe_load(matter)
    assert 'from_pretrained("assets/mini")' in body and "load_lora_weights" in body
    assert "perceived" in body and "recorded beforehand on 2 cores" in body and "| Perceived gender | Female | 50 % |" in body
    code = body.split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")


@pytest.mark.parametrize("tune, call, tag", [
    ("unet", "load_lora_weights", "lora"), ("both", "load_lora_weights", "lora"),
    ("tokens", 'load_textual_inversion("learned_embeds.safetensors", token="<fair>")', "textual_inversion")])
def test_model_card_tells_how_each_kind_of_adapter_is_loaded(tune, call, tag):
    card = model_card(replace(CONFIG, tune=tune), [], ABOUT)
    assert call in card and tag in yaml.safe_load(card.split("---\n")[1])["tags"]
    assert ("pipeline('<fair> " in card) == (tune == "tokens")


def test_the_record_holds_intervals_and_needs_no_target():
    record = results_record([comparison(0, 4, False)], CONFIG)
    female = record["prompts"][0]["after"]["frequencies"]["gender"]["female"]
    assert female["frequency"] == .5 and 0 < female["low"] < .5 < female["high"] < 1
    assert record["verdicts"]["gender"]["status"] == "cannot tell" and record["table"]
    free = results_record([comparison(0, 4, False)], replace(CONFIG, marginals={}))
    assert free["table"] == [] and free["verdicts"] == {} and free["prompts"] == record["prompts"]


def test_nothing_that_people_typed_becomes_html_or_another_line_of_the_cards_head():
    rude = "<script>alert(1)</script> & \"quotes\""
    before, after = (replace(images, prompt=rude) for images in (COMPARISONS[0].original, COMPARISONS[0].tuned))
    compared = [replace(COMPARISONS[0], prompt=rude, original=before, tuned=after)]
    html = to_html(replace(CONFIG, prompts=(rude,)), [], compared, About(rude, note=rude))
    assert "<script>alert(1)" not in html and html.count("&lt;script&gt;alert(1)") >= 5
    matter = yaml.safe_load(model_card(CONFIG, metrics_table(COMPARISONS, CONFIG.target()), About("a: [b\nc: d"))
                            .split("---\n")[1])
    assert matter["model-index"][0]["name"] == "a: [b\nc: d" and "c" not in matter


@pytest.mark.parametrize("model, source, base", [
    ("mini", "assets/mini", None), ("Built-in portraits (synthetic people)", "assets/mini", None),
    ("sdxl", "stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/stable-diffusion-xl-base-1.0"),
    ("sd14", "CompVis/stable-diffusion-v1-4", "CompVis/stable-diffusion-v1-4"),
    ("/home/ada/models/my-sd", "path/to/my-sd", None), ("fairness_core/report", "path/to/report", None)])
def test_a_model_is_named_as_the_world_knows_it(model, source, base):
    """The last one looks like an id of the hub, and is a folder here."""
    config = replace(CONFIG, model=model)
    card, html = model_card(config, [], About("X", model=model)), to_html(config, [], [], About("X", model=model))
    assert yaml.safe_load(card.split("---\n")[1]).get("base_model") == base
    assert f'AutoPipelineForText2Image.from_pretrained("{source}")' in card
    assert "/home/ada" not in card + html


def test_the_hub_lists_the_measures_of_a_card():
    card = model_card(CONFIG, metrics_table(COMPARISONS, CONFIG.target()), ABOUT)
    [results] = yaml.safe_load(card.split("---\n")[1])["model-index"][0]["results"]
    everything = row(metrics_table(COMPARISONS, parity("gender")), "gender", "all")
    assert results["dataset"]["name"] == "30 generated images of 3 prompts"
    assert {m["type"]: m["value"] for m in results["metrics"]} == {
        "bias": pytest.approx(everything["bias_after"], abs=1e-4),
        "total_variation": pytest.approx(everything["distance_after"], abs=1e-4)}


def test_model_card_of_another_model_names_its_base():
    card = model_card(CONFIG, [], About("X", model="someone/sd"))
    assert yaml.safe_load(card.split("---\n")[1])["base_model"] == "someone/sd"
    assert "Nothing was compared yet" in card and "recorded" not in card
    assert model_source("someone/sd") == "someone/sd"
