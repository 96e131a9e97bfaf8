"""The third mark: what words in the prompt do, where they were painted."""

from dataclasses import replace

import numpy as np
import pytest

from fairness_core.plots import distribution_plot, joint_heatmap, outcome_bars
from fairness_core.plots.distributions import WORDS
from fairness_core.results import Baseline, ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

GENDER, RACE = (load_attributes()[name] for name in ("gender", "race"))


def images(females: int, n: int = 10) -> ImageSet:
    labels = (np.arange(n) >= females).astype(int)
    return ImageSet("nurse", tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), np.ones(n, bool), np.zeros((n, 4)),
                    {"gender": np.eye(2)[labels]})


def compared(words: int | None) -> PromptComparison:
    baseline = None if words is None else Baseline(("female nurse",) * 10, "", images(words), *np.ones((3, 10)))
    return PromptComparison("nurse", False, images(0), images(8), *np.ones((4, 10)), baseline=baseline)


def named(figure, name: str) -> list:
    return [trace for trace in figure.data if trace.name == name]


def test_frequencies_by_words_stand_between_before_and_after():
    figure = distribution_plot([compared(5)], GENDER, "female")
    [before], [words], [after] = (named(figure, name) for name in ("before", WORDS, "after"))
    assert (before.x[0], words.x[0], after.x[0]) == (0, 50, 80) and after.y[0] < words.y[0] < before.y[0]
    assert 0 < words.error_x.array[0] < 50 and f"{WORDS} 50 % [" in words.text[0]


def test_a_prompt_without_its_baseline_has_no_third_mark_and_none_of_all_prompts_together():
    some = [compared(5), replace(compared(None), prompt="chef")]
    assert len(named(distribution_plot(some, GENDER, "female"), WORDS)[0].x) == 1
    assert named(outcome_bars(some, GENDER), WORDS) == [] and named(distribution_plot(some[1:], GENDER, "female"), WORDS) == []


def test_bars_stand_beside_one_another_without_overlap():
    figure = outcome_bars([compared(5)], GENDER)
    [words, *_] = named(figure, WORDS)
    assert list(words.y) == [50, 50]
    at_first = sorted((trace.x[0], trace.width) for trace in figure.data if trace.type == "bar" and trace.x[0] < .5)
    assert len(at_first) == 3
    for (left, width), (right, next_width) in zip(at_first, at_first[1:]):
        assert left + width / 2 <= right - next_width / 2 + 1e-9


def test_the_heatmap_has_a_table_of_words():
    tables = np.full((2, 4), 1 / 8)
    figure = joint_heatmap(tables, tables, tables, GENDER, RACE, 8, 8, words=(tables, 12))
    assert [a.text for a in figure.layout.annotations] == ["Target", "Before, 8 faces", "Words in the prompt, 12 faces", "After, 8 faces"]
    with pytest.raises(ValueError, match="words in the prompt table"):
        joint_heatmap(tables, tables, tables, GENDER, RACE, words=(tables.T, 12))
