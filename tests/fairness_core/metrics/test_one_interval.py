"""A distance has one interval: the one that decides the verdict, wherever it is told."""

import numpy as np
import pytest

from fairness_core.metrics.audit import audit
from fairness_core.report import metrics_table
from fairness_core.report.record import verdicts
from fairness_core.report.table import READING, printed
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.config import FinetuneConfig

TARGETS = [{"gender": {"female": .5, "male": .5}}, {"gender": {"female": .25, "male": .75}}]


def images(prompt: str, female: int, n: int = 16) -> ImageSet:
    return ImageSet(prompt, tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), np.ones(n, bool), np.zeros((n, 4)),
                    {"gender": np.eye(2)[[0] * female + [1] * (n - female)]})


def comparisons(*counts: tuple[int, int]) -> list[PromptComparison]:
    return [PromptComparison(f"prompt {i}", False, images(f"prompt {i}", before), images(f"prompt {i}", after),
                             *np.full((4, 16), .9)) for i, (before, after) in enumerate(counts)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("counts", [[(2, 6)], [(2, 6), (14, 9), (0, 3)]])
def test_table_verdict_and_audit_tell_the_same_interval(target, counts):
    config, compared = FinetuneConfig(marginals=target), comparisons(*counts)
    told = verdicts(compared, config)["gender"]
    row = metrics_table(compared, config.target())[0]
    judged = audit([c.tuned for c in compared], config.target()).attributes[0]
    assert (row["distance_after"], row["distance_after_low"], row["distance_after_high"]) == pytest.approx(
        (told.distance, told.low, told.high))
    assert (judged.distance, judged.distance_low, judged.distance_high) == pytest.approx((told.distance, told.low, told.high))
    if len(counts) == 1:
        assert (judged.prompts[0].distance_low, judged.prompts[0].distance_high) == pytest.approx((told.low, told.high))


def test_an_audits_interval_follows_its_confidence():
    sets = [c.tuned for c in comparisons((2, 6), (14, 9))]
    sure, unsure = (audit(sets, FinetuneConfig(marginals=TARGETS[0]).target(), confidence=c).attributes[0] for c in (.99, .8))
    assert sure.distance_high > unsure.distance_high and sure.prompts[0].distance_high > unsure.prompts[0].distance_high


def test_the_kind_of_each_interval_is_named():
    assert "the one that decides the verdict" in READING and "bootstrap over prompts" in READING


def test_people_are_told_a_bias_only_where_the_target_is_parity():
    """An age of three quarters young that is met has a bias of a half: it would seem to have got worse."""
    for target, told in zip(TARGETS, (True, False)):
        [row] = metrics_table(comparisons((8, 4), (8, 4)), FinetuneConfig(marginals=target).target())
        assert row["bias_after"] == pytest.approx(.5) and row["at_parity"] == told
        header, [cells] = printed([row])
        shown = dict(zip(header, cells))
        assert (shown["Bias after"] != "–") == told and shown["Distance after"] != "–"
