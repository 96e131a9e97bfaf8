"""Which class an image is asked for, what changes with it, and what its face is drawn to."""

import numpy as np
import pytest
import torch
from helpers.fakes import BANK, FACE_BOX, tiny_critics
from torch.nn import functional as F

from fairness_core.critics.faces import Faces
from fairness_core.settings.attributes import TargetDistribution, parity
from fairness_core.settings.config import LossWeights
from fairness_core.training import asking
from fairness_core.training.asking import distances, transport_labels
from fairness_core.training.objective import Reference, class_changes, face_of
from fairness_core.training.transport import Targets

ALL_FEMALE = TargetDistribution.from_marginals({"gender": {"female": 1.0}})


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_transport_labels_skip_images_without_face(rng):
    found = torch.tensor([True, False, True, True])
    probabilities = {"gender": torch.tensor([[0.9, 0.1], [float("nan")] * 2, [0.2, 0.8], [0.6, 0.4]])}
    labels, applies = transport_labels(probabilities, found, ALL_FEMALE, LossWeights(), rng)
    assert labels["gender"][found].tolist() == [0, 0, 0]
    assert applies["gender"].tolist() == [True, False, True, True]


def test_transport_asks_the_least_sure_to_change(rng):
    probabilities = {"gender": torch.tensor([[0.05, 0.95], [0.4, 0.6], [0.1, 0.9], [0.3, 0.7]])}
    found = torch.ones(4, dtype=torch.bool)
    labels, applies = transport_labels(probabilities, found, parity("gender"), LossWeights(), rng)
    assert labels["gender"].tolist() == [1, 0, 1, 0]
    assert applies["gender"].tolist() == [True, True, False, False]  # binomial: 15/16 at the ends, 11/16 within


def test_a_confidence_that_is_the_limit_but_for_rounding_counts(monkeypatch, rng):
    share = sum([0.1] * 8)
    assert share < 0.8
    monkeypatch.setattr(asking, "transport_targets", lambda *_a, **_k: {"gender": Targets(np.array([[share, 1 - share]]), np.array([.5, .5]))})
    probabilities = {"gender": torch.tensor([[0.5, 0.5]])}
    _, applies = transport_labels(probabilities, torch.tensor([True]), parity("gender"), LossWeights(), rng)
    assert applies["gender"].item()


def reference(labels: list[int], confidence: list[float], found: list[bool], embeddings: torch.Tensor) -> Reference:
    n = len(labels)
    faces = Faces(torch.tensor(found), torch.tensor(FACE_BOX).expand(n, 4))
    return Reference(faces, {"gender": torch.tensor(labels)}, {"gender": torch.tensor(confidence)}, [], embeddings)


def test_a_class_changes_where_the_wanted_or_else_the_reached_one_is_not_the_originals():
    faces = Faces(torch.tensor([True, True, True, True, False]), torch.zeros(5, 4))
    originals = reference([0] * 5, [0.9] * 5, [True, True, True, False, True], torch.zeros(5, 128))
    labels, applies = {"gender": torch.tensor([1, 0, 0, 1, 1])}, {"gender": torch.tensor([True, True, False, True, True])}
    probabilities = {"gender": torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])}
    changes = class_changes(probabilities, labels, applies, faces, originals)
    # asked to change; asked to stay; not asked but changed; no face in the original; none in the tuned
    assert changes["gender"].tolist() == [True, False, True, False, False]


def test_the_face_is_drawn_to_the_original_where_it_may_stay_and_to_the_bank_elsewhere():
    critics = tiny_critics()
    crops = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    embeddings = critics.face_embedder.embed(crops)
    kept = F.normalize(torch.randn(4, 128, generator=torch.Generator().manual_seed(1)), dim=-1)
    originals = reference([0] * 4, [0.9, 0.9, 0.7, 0.9], [True, True, True, False], kept)
    changes = {"gender": torch.tensor([False, True, False, False])}
    faces = Faces(torch.ones(4, dtype=torch.bool), torch.tensor(FACE_BOX).expand(4, 4))
    loss = face_of(critics.face_embedder, critics.face_bank, crops, faces, originals, changes)
    assert critics.face_bank.shape == (BANK, 128)
    to_original = 1 - (embeddings * kept).sum(-1)
    to_bank = 1 - (embeddings @ critics.face_bank.T).max(1).values
    # may stay; changes; the original's class is unsure; the original has no face
    torch.testing.assert_close(loss, torch.stack([to_original[0], *to_bank[1:]]))


def test_distance_is_half_the_l1_distance_of_the_mean_to_the_target():
    probabilities = {"gender": torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])}
    found = torch.tensor([True, True, False])
    assert distances(probabilities, found, parity("gender"))["gender"] == pytest.approx(0.2)
