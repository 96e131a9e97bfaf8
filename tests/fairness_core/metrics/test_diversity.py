"""How different the faces of a class are, and what else moved with a class."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.runs import comparison

from fairness_core.metrics.diversity import diversity, spread, status
from fairness_core.metrics.side_effects import side_effects
from fairness_core.results import ImageSet, PromptComparison


def faces(n: int, noise: float, seed: int = 0, width: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vectors = np.eye(width)[0] + noise * rng.standard_normal((n, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def image_set(labels, vectors=None, **answers) -> ImageSet:
    """labels: gender of each picture, None without a face."""
    n = len(labels)
    found = np.array([label is not None for label in labels])
    return ImageSet("a nurse", tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), found, np.zeros((n, 4)),
                    {"gender": np.eye(2)[[label or 0 for label in labels]]}, vectors,
                    {name: np.array(values) for name, values in answers.items()})


def pair(before: ImageSet, after: ImageSet, **more) -> PromptComparison:
    return PromptComparison("a nurse", False, before, after, *np.ones((4, len(before.found))), **more)


def test_one_face_again_and_again_is_no_diversity_and_opposite_ones_are_two():
    assert spread(faces(6, 0)).distance == pytest.approx(0, abs=1e-9)
    assert spread(np.array([[1, 0], [-1, 0], [0, 1]], float)).distance == pytest.approx((2 + 1 + 1) / 3)


def test_too_few_faces_have_no_diversity():
    assert spread(faces(2, .3)).distance is None and spread(faces(0, .3)).faces == 0
    assert status(spread(faces(2, .3)), spread(faces(9, .3))) == "cannot tell"


def test_the_mean_does_not_depend_on_how_many_faces_there_are():
    few = np.mean([spread(faces(5, .2, seed)).distance for seed in range(60)])
    assert few == pytest.approx(spread(faces(300, .2, 1)).distance, rel=.06)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    truth = spread(faces(1500, .2, 999)).distance
    held = [s.low <= truth <= s.high for s in (spread(faces(20, .2, seed)) for seed in range(200))]
    assert .9 <= np.mean(held) <= .99


def test_all_women_becoming_one_woman_is_seen():
    labels = [0] * 12 + [1] * 12
    before = image_set(labels, np.concatenate([faces(12, .3, 1), faces(12, .3, 2)]))
    after = image_set(labels, np.concatenate([faces(12, .02, 3), faces(12, .3, 4)]))
    women, men = diversity([pair(before, after)])
    assert (women.class_name, women.status) == ("female", "less different") and women.after.distance < .1 * women.before.distance
    assert men.status == "no difference seen" and men.before.faces == 12 and men.baseline is None


def test_faces_alone_count():
    vectors = faces(4, .3)
    vectors[3] = 0
    [women, men] = diversity([pair(*[image_set([0, 0, 0, None], vectors)] * 2)])
    assert women.before.faces == 3 and men.before.distance is None


def test_runs_without_features_or_answers_are_not_measured():
    assert diversity([comparison()]) == side_effects([comparison()]) == diversity([]) == side_effects([]) == []


def test_a_scene_that_came_with_a_class_is_seen_beside_one_that_stayed():
    """Ten men became women, and nine of them moved to a street; ten women stayed, and one of them moved."""
    before = image_set([1] * 10 + [0] * 10, scene=["office"] * 20)
    after = image_set([0] * 20, scene=["street"] * 9 + ["office"] * 10 + ["street"])
    women = side_effects([pair(before, after, outside=np.r_[np.full(10, .5), np.full(10, .9)])])[0]
    assert (women.came.pictures, women.stayed.pictures) == (10, 10)
    assert women.came.changed["scene"].count == 9 and women.stayed.changed["scene"].count == 1
    assert (women.came.gained["scene"].answer, women.came.gained["scene"].after) == ("street", 9)
    assert women.came.outside.mean == pytest.approx(.5) and women.stayed.outside.mean == pytest.approx(.9)


def test_without_a_face_before_nothing_came_and_without_likeness_outside_none_is_told():
    before, after = image_set([None, 0, 1], scene=["a", "a", "a"]), image_set([0, 0, 0], scene=["a", "b", "a"])
    women, men = side_effects([pair(before, after)])
    assert (women.came.pictures, women.stayed.pictures, men.came.pictures) == (1, 1, 0)
    assert women.came.outside.mean is None and women.stayed.gained["scene"].answer == "b" and women.came.gained["scene"] is None
    assert men.came.changed["scene"].frequency is None
    half = replace(pair(before, after), outside=np.array([.1, .2, .3]))
    assert side_effects([half])[0].came.outside.mean == .3 and side_effects([half])[0].came.outside.low is None
