import itertools
import time

import numpy as np
import ot
import pytest

from fairness_core.settings.attributes import TargetDistribution, load_attributes, parity
from fairness_core.training.transport import (Targets, TransportError, assign, binary_assignment, joint_cost,
                                              sampled_assignment, transport_targets)


def random_probabilities(n: int, *sizes: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.full(size, 0.5), size=n) for size in sizes]


def joint_target(names: tuple[str, ...], table) -> TargetDistribution:
    return TargetDistribution(tuple(load_attributes()[n] for n in names), np.array(table, dtype=float))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_cost_is_the_distance_between_concatenated_probabilities_and_labels():
    gender, race = random_probabilities(5, 2, 4)
    cost = joint_cost([gender, race])
    for i, g, r in itertools.product(range(5), range(2), range(4)):
        label = np.concatenate([np.eye(2)[g], np.eye(4)[r]])
        assert cost[i, 4 * g + r] == pytest.approx(np.linalg.norm(np.concatenate([gender[i], race[i]]) - label))


@pytest.mark.parametrize("seed", range(5))
def test_assignment_is_the_best_of_all_permutations(seed):
    cost = joint_cost(random_probabilities(6, 2, 2, seed=seed))
    labels = np.sort(rng(seed).integers(4, size=6))
    best = min(sum(cost[i, label] for i, label in enumerate(order)) for order in itertools.permutations(labels))
    found = assign(cost, np.bincount(labels, minlength=4))
    assert cost[np.arange(6), found].sum() == pytest.approx(best)
    assert sorted(found) == list(labels)


@pytest.mark.parametrize("seed", range(3))
def test_assignment_costs_what_pot_finds(seed):
    cost = joint_cost(random_probabilities(24, 2, 4, seed=seed))
    counts = rng(seed).multinomial(24, np.full(8, 1 / 8))
    plan_cost = ot.emd2(np.full(24, 1 / 24), counts / 24, cost)
    assert cost[np.arange(24), assign(cost, counts)].mean() == pytest.approx(plan_cost)


@pytest.mark.parametrize("ratio", [0.5, 0.25, 0.9])
def test_closed_form_agrees_with_sampling(ratio):
    gender, = random_probabilities(15, 2)
    sampled = sampled_assignment(joint_cost([gender]), np.array([1 - ratio, ratio]), 20000, rng())
    np.testing.assert_allclose(binary_assignment(gender[:, 1], ratio), sampled, atol=0.02)


def enumerated(cost: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """q [n, classes], exact: every draw of n labels, and for each the best of all permutations."""
    n, classes = cost.shape
    shares = np.zeros((n, classes))
    for labels in itertools.product(range(classes), repeat=n):
        best = min(itertools.permutations(labels), key=lambda order: sum(cost[i, c] for i, c in enumerate(order)))
        shares[np.arange(n), best] += np.prod(ratios[list(labels)])
    return shares


@pytest.mark.parametrize("ratio", [0.5, 0.2, 1.0])
def test_closed_form_is_the_average_over_every_draw_and_permutation(ratio):
    gender, = random_probabilities(5, 2, seed=3)
    expected = enumerated(joint_cost([gender]), np.array([1 - ratio, ratio]))
    np.testing.assert_allclose(binary_assignment(gender[:, 1], ratio), expected, atol=1e-12)


@pytest.mark.parametrize("ratios", [[0.5, 0.3, 0.2], [0.4, 0.0, 0.0, 0.6]])
def test_sampling_approaches_the_average_over_every_draw_and_permutation(ratios):
    """Three and four classes, of one attribute and of a joint table that is not a product."""
    sizes = (3,) if len(ratios) == 3 else (2, 2)
    cost = joint_cost(random_probabilities(5, *sizes, seed=4))
    found = sampled_assignment(cost, np.array(ratios), 20000, rng())
    np.testing.assert_allclose(found, enumerated(cost, np.array(ratios)), atol=0.02)


def test_the_draws_are_a_stated_number_and_follow_the_generator():
    race, = random_probabilities(8, 4)
    first, again, other = (transport_targets({"race": race}, parity("race"), draws=100, rng=rng(seed))["race"].soft
                           for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_allclose(100 * first, np.round(100 * first), atol=1e-9)  # shares of a hundred draws


def test_equal_probabilities_share_the_target_out_in_the_order_given():
    """Nothing tells the images apart, so the middle ones are unsure; nobody is left without a label."""
    equal = {"gender": np.full((10, 2), 0.5)}
    targets = transport_targets(equal, parity("gender"), rng=rng())["gender"]
    assert (np.diff(targets.soft[:, 1]) <= 0).all() and targets.confidence[[0, -1]].min() > 0.99
    np.testing.assert_allclose(targets.soft.mean(0), [0.5, 0.5])
    several = transport_targets({"race": np.full((12, 4), 0.25)}, parity("race"), draws=400, rng=rng())["race"]
    np.testing.assert_allclose(several.soft.sum(1), 1)
    np.testing.assert_allclose(several.soft.mean(0), 0.25, atol=0.03)


def test_closed_form_is_used_for_one_binary_attribute_and_ignores_the_generator():
    gender, race = random_probabilities(12, 2, 4)
    found = [transport_targets({"gender": gender, "race": race}, parity("gender"), rng=rng(seed)) for seed in (0, 1)]
    assert list(found[0]) == ["gender"]
    np.testing.assert_array_equal(found[0]["gender"].soft, found[1]["gender"].soft)
    order = np.argsort(gender[:, 1])
    assert (np.diff(found[0]["gender"].soft[order, 1]) >= 0).all()


def test_extreme_images_keep_their_class_with_confidence_and_the_middle_is_unsure():
    share = np.linspace(0, 1, 40)
    targets = transport_targets({"gender": np.stack([1 - share, share], 1)}, parity("gender"), rng=rng())["gender"]
    assert targets.labels[0] == 0 and targets.labels[-1] == 1
    assert targets.confidence[[0, -1]].min() > 0.999 and targets.confidence[20] < 0.7


def test_a_biased_batch_is_moved_to_the_target():
    probabilities = {"gender": np.tile([0.1, 0.9], (40, 1)) + np.linspace(0, 0.05, 40)[:, None] * [1, -1]}
    labels = transport_targets(probabilities, parity("gender"), rng=rng())["gender"].labels
    assert labels.sum() == 20 and (labels[20:] == 0).all()


def test_several_attributes_follow_their_marginals():
    gender, race, age = random_probabilities(60, 2, 4, 2)
    target = TargetDistribution.from_marginals({
        "gender": {"female": 0.5, "male": 0.5}, "race": dict.fromkeys(("wmelh", "asian", "black", "indian"), 0.25),
        "age": {"young": 0.75, "old": 0.25}})
    found = transport_targets({"age": age, "race": race, "gender": gender}, target, draws=200, rng=rng())
    for name, targets in found.items():
        np.testing.assert_allclose(targets.soft.sum(1), 1)
        np.testing.assert_allclose(targets.soft.mean(0), target.marginal(name), atol=0.02)
        np.testing.assert_array_equal(targets.confidence, targets.soft[np.arange(60), targets.labels])


def test_a_joint_table_that_is_not_a_product():
    """Only young women and old men: gender and age labels always go together."""
    gender, age = random_probabilities(30, 2, 2)
    target = joint_target(("gender", "age"), [[0.5, 0.0], [0.0, 0.5]])
    found = transport_targets({"gender": gender, "age": age}, target, rng=rng())
    np.testing.assert_allclose(found["gender"].soft, found["age"].soft)


def test_attributes_that_the_target_does_not_tie_together_do_not_decide_about_each_other():
    """What images are asked for one attribute is the same whatever they are for the others."""
    gender, age = random_probabilities(8, 2, 2)
    target = TargetDistribution.from_marginals({"gender": {"female": 0.5, "male": 0.5}, "age": {"young": 0.75, "old": 0.25}})
    together = transport_targets({"gender": gender, "age": age}, target, rng=rng())
    for name, seen in (("gender", gender), ("age", age)):
        alone = transport_targets({name: seen}, target.part([name]), rng=rng())
        np.testing.assert_array_equal(together[name].soft, alone[name].soft)


def test_a_pair_that_is_tied_is_assigned_together_and_the_third_alone():
    gender, race, age = random_probabilities(12, 2, 4, 2)
    pair = np.array([[0.5, 0.0], [0.0, 0.5]])  # of gender and age
    target = joint_target(("gender", "race", "age"), pair[:, None] * np.full((1, 4, 1), .25))
    found = transport_targets({"gender": gender, "race": race, "age": age}, target, draws=5000, rng=rng())
    assert list(found) == ["gender", "race", "age"]
    np.testing.assert_allclose(found["gender"].soft, found["age"].soft)
    alone = transport_targets({"race": race}, parity("race"), draws=5000, rng=rng(1))
    np.testing.assert_allclose(found["race"].soft, alone["race"].soft, atol=.04)


@pytest.mark.parametrize("names, table", [(("gender",), [0, 1]), (("race",), [0, 0, 1, 0]),
                                          (("gender", "age"), [[0, 0], [1, 0]])])
def test_a_target_of_one_class_is_certain(names, table):
    sizes = [len(load_attributes()[n].classes) for n in names]
    found = transport_targets(dict(zip(names, random_probabilities(9, *sizes))), joint_target(names, table), rng=rng())
    for axis, name in enumerate(names):
        assert (found[name].labels == np.argwhere(np.array(table))[0][axis]).all()
        assert (found[name].confidence > 1 - 1e-9).all()


def test_one_image_gets_the_target_itself():
    target = joint_target(("gender",), [0.3, 0.7])
    found = transport_targets({"gender": np.array([[0.9, 0.1]])}, target, rng=rng())["gender"]
    np.testing.assert_allclose(found.soft, [[0.3, 0.7]])
    joint = joint_target(("gender", "age"), [[0.1, 0.4], [0.3, 0.2]])
    alone = {"gender": np.array([[0.9, 0.1]]), "age": np.array([[0.2, 0.8]])}
    sampled = transport_targets(alone, joint, draws=20000, rng=rng())
    np.testing.assert_allclose(sampled["gender"].soft, [[0.5, 0.5]], atol=0.02)
    np.testing.assert_allclose(sampled["age"].soft, [[0.4, 0.6]], atol=0.02)


def test_certainty_is_the_confidence_where_classes_have_equal_shares():
    target = parity("gender", "race")
    found = transport_targets(dict(zip(("gender", "race"), random_probabilities(12, 2, 4))), target, rng=rng())
    for targets in found.values():
        np.testing.assert_allclose(targets.certainty, targets.confidence)


def test_draws_that_say_no_more_than_the_target_are_not_certain():
    soft = np.array([[.75, .25], [.9, .1], [.3, .7], [1, 0]])
    found = Targets(soft, np.array([.75, .25]))
    np.testing.assert_allclose(found.certainty, [.5, .8, .8, 1])
    assert Targets(np.array([[1.0, 0.0]]), np.array([1.0, 0.0])).certainty == [1]


@pytest.mark.parametrize("young, images", [(.5, 8), (.6, 8), (.75, 8), (.9, 24)])
def test_the_labels_that_count_follow_an_uneven_target(young, images):
    """Three attributes, as many old ones as asked: so many of the labels that are sure say old as well.
    By the confidence alone, which knows nothing of the target's shares, 16 % of eight images' did where 25 % were asked for."""
    target = TargetDistribution.from_marginals({
        "gender": {"female": 0.5, "male": 0.5}, "race": dict.fromkeys(("wmelh", "asian", "black", "indian"), 0.25),
        "age": {"young": young, "old": 1 - young}})
    draw, counts = rng(5), np.zeros(2)
    for _ in range(150):
        seen = {}
        for name in target.names:
            ratios = target.marginal(name)
            unsure = draw.uniform(0, .1, (images, 1))
            seen[name] = (1 - unsure) * np.eye(len(ratios))[draw.choice(len(ratios), images, p=ratios)] + unsure / len(ratios)
        found = transport_targets(seen, target, draws=100, rng=draw)["age"]
        counts += np.bincount(found.labels[found.certainty >= .6], minlength=2)
    assert counts[1] / counts.sum() == pytest.approx(1 - young, abs=.04), counts  # two of seven, of eight at 75/25


@pytest.mark.parametrize("probabilities, message", [
    ({"race": np.ones((3, 4)) / 4}, "'gender'"),
    ({"gender": np.ones((3, 4)) / 4}, r"\(3, 2\)"),
    ({"gender": np.full((3, 2), np.nan)}, "not finite"),
    ({"gender": np.ones((0, 2))}, "No image with a face"),
])
def test_bad_input_says_what_is_wrong(probabilities, message):
    with pytest.raises(TransportError, match=message):
        transport_targets(probabilities, parity("gender"), rng=rng())


@pytest.mark.slow
def test_forty_images_and_sixteen_joint_classes_take_milliseconds():
    probabilities = dict(zip(("gender", "race", "age"), random_probabilities(40, 2, 4, 2)))
    target, seconds = joint_target(("gender", "race", "age"), rng().dirichlet(np.ones(16)).reshape(2, 4, 2)), []
    for seed in range(5):
        start = time.perf_counter()
        transport_targets(probabilities, target, rng=rng(seed))
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1, seconds
