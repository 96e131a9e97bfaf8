"""Official statistics as targets: each figure has its source, and a file of one's own says what is wrong with it."""

import pytest
import yaml

from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.labour_statistics import StatisticsError, labour_targets, load_labour_statistics
from fairness_core.settings.prompts import load_concepts, prompt_for

SOURCE = {"title": "A survey", "url": "https://example.org", "year": 2024}
ROW = {"women": 0.6, "occupation": "Bakers", "source": "survey", "approximate": False}
FILE = {"sources": {"survey": SOURCE}, "occupations": {"baker": ROW}}


def write(folder, data: object):
    path = folder / "statistics.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_the_shipped_figures_are_of_known_concepts_and_have_a_source():
    statistics, concepts = load_labour_statistics(), load_concepts()
    assert len(statistics) > 15 and set(statistics) <= {*concepts.train, *concepts.held_out}
    for share in statistics.values():
        assert 0 < share.women < 1 and share.occupation and share.year == 2023 and "Labor Statistics" in share.source
    assert statistics["nurse"].women > 0.8 > 0.2 > statistics["firefighter"].women


def test_statistics_become_targets_of_their_prompts():
    prompts = tuple(map(prompt_for, ("nurse", "pilot")))
    config = FinetuneConfig(prompts=prompts, marginals={"gender": {"female": 0.5, "male": 0.5}},
                            targets_by_prompt=labour_targets(prompts, load_labour_statistics()))
    shares = {c: load_labour_statistics()[c].women for c in ("nurse", "pilot")}
    assert [config.target(p).marginal("gender")[0] for p in prompts] == pytest.approx(list(shares.values()))
    assert config.target("a photo of a poet").marginal("gender")[0] == 0.5


def test_a_file_of_ones_own(tmp_path):
    [(concept, share)] = load_labour_statistics(write(tmp_path, FILE)).items()
    assert (concept, share.women, share.year, share.source, share.approximate) == ("baker", 0.6, 2024, "A survey", False)


@pytest.mark.parametrize(("data", "says"), [
    (None, "must hold 'sources' and 'occupations'"), ({"occupations": {}}, "must hold 'sources'"),
    (FILE | {"sources": {"survey": {"title": "A survey"}}}, "source 'survey' must hold title, url, year"),
    (FILE | {"occupations": {"baker": ROW | {"source": "census"}}}, "'baker' names the source 'census'"),
    (FILE | {"occupations": {"baker": ROW | {"women": 60}}}, "women of 'baker' is 60: write a number from 0 to 1"),
    (FILE | {"occupations": {"baker": ROW | {"women": "most"}}}, "'most'"),
    (FILE | {"occupations": {"baker": {"women": 0.6}}}, "row 'baker' must hold women, occupation, source, approximate"),
    (FILE | {"occupations": {"baker": 0.6}}, "row 'baker' must hold")])
def test_a_file_that_cannot_be_used(tmp_path, data, says):
    with pytest.raises(StatisticsError, match=says):
        load_labour_statistics(write(tmp_path, data))


@pytest.mark.parametrize("prompt", [prompt_for("poet"), "a lighthouse"])
def test_a_prompt_without_statistics_is_named(prompt):
    with pytest.raises(StatisticsError, match="poet|a lighthouse"):
        labour_targets([prompt], load_labour_statistics())
