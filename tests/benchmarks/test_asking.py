"""How much of a target is asked for: from a recorded run, without painting."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import asking
from fairness_core.runs import RunFolder, load_comparisons, read_config

RECORDED = Path(__file__).resolve().parents[2] / "assets" / "recorded" / "mini-medium"


@pytest.fixture(scope="module")
def recorded():
    folder = RunFolder(RECORDED)
    config, comparisons = read_config(folder), load_comparisons(folder, as_perceived=True)[:6]
    return config, comparisons, [config.target(c.prompt) for c in comparisons]


def pulls(recorded, images: int, confidence: float, together: bool = False) -> dict[str, asking.Pull]:
    config, comparisons, targets = recorded
    if together:
        targets = [asking.Together(target.attributes, target.joint) for target in targets]
    weights = replace(config.losses, confidence=confidence)
    return {pull.attribute: pull for pull in asking.pulls(comparisons, targets, "original", images, weights)}


def test_everything_is_asked_where_no_confidence_is_needed(recorded):
    found = pulls(recorded, 8, 0.0)
    assert list(found) == ["gender", "race", "age"] and {pull.asked for pull in found.values()} == {1.0}
    assert all(0.5 < pull.way <= 1.3 for pull in found.values())


def test_few_images_and_sure_labels_ask_little_of_many_classes(recorded):
    """What kept race where it was: in one transport for all attributes, four pictures hardly ever agree which of four
    races each of them is to be. On its own it takes surer labels to come to that."""
    few, many = pulls(recorded, 4, 0.6, together=True)["race"], pulls(recorded, 8, 0.4, together=True)["race"]
    assert few.asked < 0.35 and many.asked > 0.7 and many.way > 3 * few.way
    few, many = pulls(recorded, 4, 0.8)["race"], pulls(recorded, 8, 0.4)["race"]
    assert few.asked < 0.1 and many.asked > 0.7 and many.way > 3 * few.way


def test_the_command_prints_a_row_an_attribute(capsys):
    asking.main([str(RECORDED), "--images", "8", "--confidence", ".4"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[2] for line in lines[2:]] == ["gender", "race", "age"]


def test_one_transport_for_all_attributes_pulls_less(capsys):
    ways = []
    for more in ([], ["--together"]):
        asking.main([str(RECORDED), "--side", "tuned", "--images", "4", "--confidence", "0", *more])
        lines = capsys.readouterr().out.splitlines()[2:]
        ways.append([float(line.split(" | ")[4]) for line in lines])
    assert all(together < apart for apart, together in zip(*ways, strict=True))
