"""Bands and sentences from made-up events."""

import math

import numpy as np
import pytest

from fairness_core.gradient_lab.figures import loss_figure, scale_figure
from fairness_core.gradient_lab.measure import LossPoint, ScalePoint
from fairness_core.gradient_lab.summary import loss_bands, loss_sentence, scale_bands, scale_sentence


def losses(**ended: list[float]) -> list[LossPoint]:
    """Runs that begin at 0.9 and end, after two updates, at the given losses."""
    return [LossPoint(gradient, run, step, loss) for gradient, values in ended.items()
            for run, value in enumerate(values) for step, loss in enumerate([0.9, 0.7, value])]


def scales(naive, unscaled, noises: int = 1) -> list[ScalePoint]:
    values = {"naive": np.array(naive), "adjusted": np.ones(len(naive)), "unscaled": np.array(unscaled)}
    timesteps = np.array([900, 600, 300])
    return [ScalePoint(i, timesteps, {k: (i + 1) * v for k, v in values.items()}) for i in range(noises)]


APART = losses(naive=[0.5, 0.6, 0.7], adjusted=[0.2, 0.3, 0.4], unscaled=[0.8, 0.81, 0.82])


def test_band_is_mean_and_middle_of_the_runs():
    band = loss_bands(APART)["adjusted"]
    assert list(band.x) == [0, 1, 2] and list(band.counts) == [3, 3, 3]
    assert (band.mean[2], band.low[2], band.high[2]) == pytest.approx((0.3, 0.21, 0.39))


def test_unfinished_runs_count_where_they_have_been():
    band = loss_bands(APART + [LossPoint("naive", 3, 0, 0.1)])["naive"]
    assert list(band.counts) == [4, 3, 3] and band.mean[0] == pytest.approx(0.7)


def test_the_lowest_is_named_with_its_band():
    sentence = loss_sentence(APART)
    assert "the adjusted gradient ended lowest, at a loss of 0.300 (0.210 to 0.390)" in sentence
    assert "naive at 0.600" in sentence and "3 of 3 runs" in sentence and "overlaps" not in sentence
    assert "the naive gradient ended lowest" in loss_sentence(losses(naive=[0.1], adjusted=[0.2], unscaled=[0.3]))


def test_doubt_is_said():
    assert "overlaps that of naive" in loss_sentence(
        losses(naive=[0.3, 0.4], adjusted=[0.2, 0.45], unscaled=[0.8, 0.9]))
    assert "one run does not settle" in loss_sentence(losses(naive=[0.1], adjusted=[0.2], unscaled=[0.3])).lower()
    assert "naive left the finite numbers" in loss_sentence(
        losses(naive=[math.nan, 0.1], adjusted=[0.2, 0.2], unscaled=[0.3, 0.3])).lower()
    assert "no gradient was left" in loss_sentence(losses(naive=[math.nan], adjusted=[math.nan], unscaled=[math.nan]))


def test_nothing_is_claimed_before_all_three_have_ended():
    assert "No run" in loss_sentence([]) and "No noise" in scale_sentence([])
    assert "No run" in loss_sentence(losses(naive=[0.1]))


def test_the_flattest_scale_comes_first():
    sentence = scale_sentence(scales([8000, 40, 0.2], [10, 2, 1]))
    places = [sentence.index(part) for part in ("1 times for the adjusted", "10 times for the unscaled",
                                                "40,000 times for the naive")]
    assert places == sorted(places)
    assert "from 8,000 at the first step sampled to 0.2 at the last" in sentence


def test_a_step_that_does_not_reach_the_image_is_left_out():
    points = scales([8.0, 4.0, 0.0], [10.0, 2.0, 0.0])
    assert "2 times for the naive" in scale_sentence(points)
    line = next(t for t in scale_figure(points).data if t.name == "naive")
    assert np.isnan(line.y[2]) and not np.isnan(line.y[:2]).any()


def test_figures_draw_three_lines_and_three_bands():
    points = scales([3, 2, 1], [1, 1, 1], 4)
    for figure, bands in ((loss_figure(APART), loss_bands(APART)), (scale_figure(points), scale_bands(points))):
        lines = {t.name: t for t in figure.data if t.mode == "lines"}
        filled = [t for t in figure.data if t.fill]
        assert list(lines) == list(bands) == ["naive", "adjusted", "unscaled"] and len(filled) == 3
        for name, line in lines.items():
            np.testing.assert_allclose(line.y, bands[name].mean)
        np.testing.assert_allclose(filled[0].y, np.concatenate([bands["naive"].high, bands["naive"].low[::-1]]))
    assert figure.layout.yaxis.type == "log" and figure.layout.xaxis.autorange == "reversed"


def test_figures_without_events_say_so():
    assert "Nothing measured" in loss_figure([]).layout.annotations[0].text
    assert "Nothing measured" in scale_figure([]).layout.annotations[0].text
