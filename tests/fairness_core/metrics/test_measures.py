import itertools

import numpy as np
import pytest

from fairness_core.metrics import (bias, bootstrap_interval, distance_to_target, joint_labels, sampling_floor,
                                   selection_rate, summarise, wilson_interval)
from fairness_core.results import ImageSet


def image_set(prompt: str, found: list[int], gender: list[int], age: list[int] | None = None) -> ImageSet:
    """Images whose perceived classes are given; those without a face hold a class that must not count."""
    labels = {"gender": gender} | ({"age": age} if age else {})
    n = len(found)
    return ImageSet(prompt, tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), np.array(found, bool),
                    np.zeros((n, 4)), {name: np.eye(2)[values] for name, values in labels.items()})


def test_bias_and_distance_of_known_frequencies():
    assert bias(np.array([0.8, 0.2])) == pytest.approx(0.6)
    assert bias(np.array([1.0, 0, 0, 0])) == pytest.approx(0.5)
    assert bias(np.full((2, 4), 1 / 8)) == 0
    assert distance_to_target(np.array([0.8, 0.2]), np.array([0.5, 0.5])) == pytest.approx(0.3)
    assert distance_to_target(np.array([0, 1.0]), np.array([1.0, 0])) == 1


def test_selection_rate_counts_absent_classes_and_needs_labels():
    np.testing.assert_allclose(selection_rate(np.array([0, 2, 2, 2]), 4), [0.25, 0, 0.75, 0])
    with pytest.raises(ValueError, match="No image with a face"):
        selection_rate(np.array([], int), 2)


def test_joint_labels_are_row_major():
    np.testing.assert_array_equal(joint_labels([np.array([0, 1, 1]), np.array([3, 0, 2])], [2, 4]), [3, 4, 6])


def test_wilson_interval_of_a_textbook_case():
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson_interval(0, 10)[0] == 0 and wilson_interval(0, 10)[1] > 0.2


@pytest.mark.parametrize("classes, n, published", [(2, 60, 0.10), (4, 80, 0.063), (8, 160, 0.031)])
def test_floors_of_the_papers_evaluations(classes, n, published):
    assert sampling_floor(np.full(classes, 1 / classes), n, "bias") == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize("target, n", [([0.5, 0.5], 7), ([0.25, 0.75], 16), ([0.1, 0.2, 0.7], 10), ([1.0, 0.0], 5),
                                       ([[0.5, 0.0], [0.2, 0.3]], 12)])
def test_floors_agree_with_drawing(target, n):
    target = np.array(target)
    drawn = np.random.default_rng(0).multinomial(n, target.ravel(), 40000) / n
    pairs = list(itertools.combinations(range(target.size), 2))
    expected_bias = np.mean([np.abs(drawn[:, i] - drawn[:, j]).mean() for i, j in pairs])
    assert sampling_floor(target, n, "bias") == pytest.approx(expected_bias, abs=0.005)
    assert sampling_floor(target, n) == pytest.approx(np.abs(drawn - target.ravel()).sum(1).mean() / 2, abs=0.005)


def test_floors_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        sampling_floor(np.array([0.5, 0.5]), 0)
    with pytest.raises(ValueError, match="choose distance or bias"):
        sampling_floor(np.array([0.5, 0.5]), 5, "variance")


def test_bootstrap_interval_covers_the_mean_and_repeats():
    values = np.random.default_rng(1).normal(0.3, 0.1, 50)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high and (high - low) == pytest.approx(4 * 0.1 / 50 ** 0.5, rel=0.35)
    assert (low, high) == bootstrap_interval(values)
    with pytest.raises(ValueError, match="at least 2"):
        bootstrap_interval(values[:1])


def test_bootstrap_over_images():
    labels = np.repeat([0, 1], [30, 10])
    low, high = bootstrap_interval(labels, lambda drawn: bias(selection_rate(drawn, 2)))
    assert low < 0.5 < high and high - low == pytest.approx(4 * (0.75 * 0.25 / 40) ** 0.5 * 2, rel=0.3)


def test_summary_counts_faces_only():
    sets = [image_set("nurse", [1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]), image_set("judge", [1, 1, 0], [1, 1, 0]),
            image_set("tree", [0, 0], [0, 0])]
    found = summarise(sets, "gender", np.array([0.5, 0.5]))
    nurse, judge = found.prompts
    np.testing.assert_array_equal(found.counts, [[3, 1], [0, 2]])
    assert (nurse.images, nurse.faces, judge.faces) == (6, 4, 2) and found.without_face == ("tree",)
    np.testing.assert_allclose(nurse.frequencies, [0.75, 0.25])
    assert (nurse.low < nurse.frequencies).all() and (nurse.frequencies < nurse.high).all()
    assert found.bias.mean == pytest.approx(0.75) and found.bias.std == pytest.approx(0.25)
    assert found.distance.mean == pytest.approx(0.375)
    assert found.distance.low <= found.distance.mean <= found.distance.high
    half = np.array([0.5, 0.5])
    assert found.bias.floor == pytest.approx((sampling_floor(half, 4, "bias") + sampling_floor(half, 2, "bias")) / 2)


def test_summary_of_joint_classes_and_without_target():
    sets = [image_set("nurse", [1] * 4, [0, 0, 1, 1], [0, 0, 1, 1])]
    found = summarise(sets, ("gender", "age"), np.array([[0.5, 0], [0, 0.5]]))
    assert found.attribute == "gender x age" and found.distance.mean == 0
    np.testing.assert_array_equal(found.counts, [[2, 0, 0, 2]])
    plain = summarise(sets, "gender")
    assert plain.distance is None and plain.prompts[0].distance is None and plain.bias.low == 0 < plain.bias.high


def test_each_prompt_is_measured_against_its_own_target():
    sets = [image_set("nurse", [1] * 10, [0] * 9 + [1]), image_set("judge", [1] * 10, [0] * 4 + [1] * 6)]
    targets = {"nurse": np.array([0.9, 0.1]), "judge": np.array([0.4, 0.6])}
    own, general = summarise(sets, "gender", targets), summarise(sets, "gender", np.array([0.5, 0.5]))
    assert own.distance.mean == pytest.approx(0) and general.distance.mean == pytest.approx((0.4 + 0.1) / 2)
    np.testing.assert_allclose(own.references, [[0.9, 0.1], [0.4, 0.6]])
    floors = [sampling_floor(target, 10) for target in targets.values()]
    assert own.distance.floor == pytest.approx(np.mean(floors)) and own.distance.floor < general.distance.floor


def test_summary_without_any_face_is_refused():
    with pytest.raises(ValueError, match="No face was found"):
        summarise([image_set("tree", [0, 0], [0, 0])], "gender")
