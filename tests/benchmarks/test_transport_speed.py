"""The transport must not be felt: 40 images, 16 joint classes and 100 draws took 20 ms of one core, in one small
assignment for each draw that differs from the others."""

import numpy as np

from fairness_core.settings.attributes import TargetDistribution, parity
from fairness_core.training import transport

IMAGES, DRAWS = 40, 100


def test_the_largest_published_batch_takes_one_small_assignment_a_draw(monkeypatch):
    attributes, rng = parity("gender", "race", "age").attributes, np.random.default_rng(0)
    target = TargetDistribution(attributes, rng.dirichlet(np.ones(16)).reshape(2, 4, 2))
    assert target.independent_parts() == (target,)
    probabilities = {a.name: rng.dirichlet(np.ones(len(a.classes)), IMAGES) for a in target.attributes}
    solved, solve = [], transport.linear_sum_assignment

    def counted(cost: np.ndarray):
        solved.append(cost.shape)
        return solve(cost)
    monkeypatch.setattr(transport, "linear_sum_assignment", counted)
    transport.transport_targets(probabilities, target, draws=DRAWS, rng=rng)
    assert 0 < len(solved) <= DRAWS and set(solved) == {(IMAGES, IMAGES)}
