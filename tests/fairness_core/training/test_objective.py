"""From latents to one gradient: which images take part, what the face is drawn to, what is reported."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.fakes import FACE_BOX, LATENT_SHAPE, FixedDetector, no_faces, tiny_critics, tiny_vae
from torch.nn import functional as F

from fairness_core.critics.faces import Faces, crop_for
from fairness_core.hardware.processes import Share
from fairness_core.sampling.denoise import decode
from fairness_core.settings.attributes import TargetDistribution, parity
from fairness_core.settings.config import LossWeights
from fairness_core.training import objective
from fairness_core.training.asking import Group
from fairness_core.training.objective import Reference, look_at_originals, tell

N = 6
EVERYTHING = LossWeights(semantics=2.0, face=0.5, confidence=0.0)
ONLY_ALIGNMENT = LossWeights(semantics=0.0, face=0.0, confidence=0.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def vae():
    return tiny_vae().requires_grad_(False)


@pytest.fixture
def latents() -> torch.Tensor:
    return torch.randn(N, *LATENT_SHAPE, generator=torch.Generator().manual_seed(0))


def reference_of(critics, vae, latents) -> Reference:
    with torch.no_grad():
        return look_at_originals(critics, decode(vae, latents))


def judge(critics, vae, latents, reference, target, weights, rng) -> SimpleNamespace | None:
    """What is told of one prompt alone, and its gradient; None without a face."""
    groups = [Group(target, len(latents), rng)]
    judgement = objective.judge(critics, vae, latents, reference, groups, weights)
    [told] = tell(judgement, groups, Share())
    return told and SimpleNamespace(**vars(told), latents_gradient=judgement.latents_gradient)


def all_female() -> TargetDistribution:
    return TargetDistribution.from_marginals({"gender": {"female": 1.0}})


def test_the_original_judged_against_itself_loses_nothing_but_alignment(vae, latents):
    critics = tiny_critics()
    judged = judge(critics, vae, latents, reference_of(critics, vae, latents), parity("gender"), EVERYTHING, rng())
    assert judged.losses["semantics"] == pytest.approx(0, abs=1e-5)
    assert judged.losses["alignment"] > 0
    assert judged.faces_found == N
    assert judged.latents_gradient.shape == latents.shape


def test_the_gradient_is_that_of_the_weighted_sum(vae, latents):
    """A small step against the gradient lowers the total by as much as the gradient says.

    Nothing is damped: every original already has the class that the target asks for.
    """
    critics = tiny_critics()
    reference = replace(reference_of(critics, vae, latents.flip(0)), labels={"gender": torch.zeros(N, dtype=torch.long)})

    def judged(at: torch.Tensor):
        return judge(critics, vae, at, reference, all_female(), EVERYTHING, rng())

    before = judged(latents)
    losses = before.losses
    assert losses["total"] == pytest.approx(losses["alignment"] + 2.0 * losses["semantics"] + 0.5 * losses["face"], rel=1e-4)
    size = 1e-2 / before.latents_gradient.norm()
    after = judged(latents - size * before.latents_gradient)
    expected = -size * before.latents_gradient.square().sum()
    assert after.losses["total"] - losses["total"] == pytest.approx(expected.item(), rel=0.1)


def test_an_image_without_face_feels_the_scene_only(vae, latents):
    critics = tiny_critics(FixedDetector(shows=lambda place: place != 2))
    reference = reference_of(critics, vae, latents)
    judged = judge(critics, vae, latents, reference, parity("gender"), ONLY_ALIGNMENT, rng())
    gradient = judged.latents_gradient.abs().sum((1, 2, 3))
    assert judged.faces_found == N - 1
    assert gradient[2] == 0 and (gradient[[0, 1, 3, 4, 5]] > 0).all()
    other = reference_of(critics, vae, latents.flip(0))
    scene = judge(critics, vae, latents, other, parity("gender"), LossWeights(8.0, 0.0, 0.0), rng())
    assert scene.latents_gradient[2].abs().sum() > 0


def test_images_below_the_confidence_take_no_part(vae, latents):
    critics = tiny_critics()
    reference = reference_of(critics, vae, latents)
    never = replace(ONLY_ALIGNMENT, confidence=1.0)
    judged = judge(critics, vae, latents, reference, parity("gender"), never, rng())
    assert judged.losses["alignment"] == 0 and (judged.latents_gradient == 0).all()
    sometimes = judge(critics, vae, latents, reference, parity("gender"), replace(never, confidence=0.8), rng())
    gradient = sometimes.latents_gradient.abs().sum((1, 2, 3))
    assert 0 < (gradient == 0).sum() < N


def test_without_a_target_every_image_is_asked_for_its_original(vae, latents):
    """For every attribute; a picture without a face is asked for nothing."""
    critics = tiny_critics(FixedDetector(shows=lambda place: place != 2))
    reference = reference_of(critics, vae, latents)
    judged = judge(critics, vae, latents, reference, None, ONLY_ALIGNMENT, rng())
    gradient = judged.latents_gradient.abs().sum((1, 2, 3))
    assert judged.distance == {} and gradient[2] == 0 and (gradient[[0, 1, 3, 4, 5]] > 0).all()
    found, logits = reference.faces.found, critics.classifier(crop_for(critics.classifier, decode(vae, latents), reference.faces))
    every = sum(F.cross_entropy(logits[name][found], labels[found]) for name, labels in reference.labels.items())
    assert judged.losses["alignment"] == pytest.approx(every.item(), rel=1e-4)


def test_kept_labels_are_those_of_every_process(vae, latents):
    """The other process's rows come from gather(); a face that one picture lacks is asked for nothing."""
    class Doubled(Share):
        def gather(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.cat([rows, rows])

    originals = tiny_critics(FixedDetector(shows=lambda place: place != 2))
    tuned = tiny_critics(FixedDetector(shows=lambda place: place != 4))
    reference = reference_of(originals, vae, latents)
    judgement = objective.judge(tuned, vae, latents, reference, [Group(None, 2 * N, rng())], EVERYTHING, Doubled(0, 2))
    [asked] = judgement.asked
    for name, own in reference.labels.items():
        assert asked.labels[name].tolist() == own.tolist() * 2
        assert asked.applies[name].tolist() == [place % N not in (2, 4) for place in range(2 * N)]


def test_no_face_at_all_is_no_judgement(vae, latents):
    critics = tiny_critics(no_faces())
    assert judge(critics, vae, latents, reference_of(critics, vae, latents), parity("gender"), EVERYTHING, rng()) is None


def test_one_face_is_enough_for_a_joint_target(vae, latents):
    critics = tiny_critics(FixedDetector(shows=lambda place: place == 1))
    target = parity("gender", "race", "age")
    judged = judge(critics, vae, latents, reference_of(critics, vae, latents), target, EVERYTHING, rng())
    assert judged.faces_found == 1 and set(judged.distance) == {"gender", "race", "age"}
    assert torch.isfinite(judged.latents_gradient).all()


def test_a_face_in_the_original_only_or_in_the_tuned_only_is_no_error(vae, latents):
    originals = tiny_critics(FixedDetector(shows=lambda place: place < 3))
    tuned = tiny_critics(FixedDetector(shows=lambda place: place >= 3))
    judged = judge(tuned, vae, latents, reference_of(originals, vae, latents), parity("gender"), EVERYTHING, rng())
    assert judged.faces_found == 3 and torch.isfinite(judged.latents_gradient).all()


def test_judging_leaves_no_gradient_anywhere_else(vae, latents):
    critics = tiny_critics()
    judge(critics, vae, latents, reference_of(critics, vae, latents), parity("gender"), EVERYTHING, rng())
    networks = [vae, critics.classifier, critics.evaluator, *critics.encoders.values()]
    assert all(p.grad is None for network in networks for p in network.parameters())
    assert latents.grad is None and not latents.requires_grad


class OwnCritic:
    """A classifier and embedder of someone else's: no FaceNetwork, aligned crops of another size."""

    heads_config, crop_size, aligned = {"gender": ["female", "male"]}, 12, True

    def __call__(self, crops: torch.Tensor) -> dict[str, torch.Tensor]:
        assert crops.shape[1:] == (3, 12, 12)
        return {"gender": torch.stack([crops[:, 0].mean((1, 2)), crops[:, 1].mean((1, 2))], 1)}

    def probabilities(self, crops: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"gender": self(crops)["gender"].softmax(-1)}

    def embed(self, crops: torch.Tensor) -> torch.Tensor:
        return F.normalize(F.avg_pool2d(crops, 6).flatten(1), dim=-1)


def with_landmarks(images: torch.Tensor) -> Faces:
    points = torch.tensor([[5.0, 6], [11, 6], [8, 9], [6, 12], [10, 12]])
    return Faces(torch.ones(len(images), dtype=torch.bool), torch.tensor(FACE_BOX).expand(len(images), 4),
                 points.expand(len(images), 5, 2))


def test_anyones_critics_can_judge(vae, latents):
    critics = replace(tiny_critics(with_landmarks), classifier=OwnCritic(), face_embedder=OwnCritic(),
                      face_bank=F.normalize(torch.randn(3, 12, generator=torch.Generator().manual_seed(0)), dim=-1),
                      encoders={"pixels": lambda images: images.flatten(1)})
    reference = reference_of(critics, vae, latents.flip(0))
    assert reference.embeddings.shape == (N, 12) and list(reference.labels) == ["gender"]
    judged = judge(critics, vae, latents, reference, all_female(), EVERYTHING, rng())
    assert judged.faces_found == N and all(v > 0 for v in judged.losses.values())
    assert (judged.latents_gradient.abs().sum((1, 2, 3)) > 0).all()


def test_a_detector_without_landmarks_cannot_serve_a_critic_that_needs_them(vae, latents):
    with pytest.raises(ValueError, match="no landmarks"):
        reference_of(replace(tiny_critics(), classifier=OwnCritic()), vae, latents)


def test_the_originals_are_seen_by_the_classifier_that_is_trained_against(vae, latents):
    critics = tiny_critics()
    seen = reference_of(critics, vae, latents)
    assert set(seen.labels) == set(seen.confidence) == {"gender", "race", "age"}
    assert len(seen.features) == 2 and seen.embeddings.shape == (N, 128)
    assert not seen.embeddings.requires_grad


def test_how_many_are_judged_together_changes_nothing(vae, latents, monkeypatch):
    critics = tiny_critics()
    reference = reference_of(critics, vae, latents.flip(0))

    def judged(at_once: int):
        monkeypatch.setattr(objective, "LATENT_PIXELS_WITH_GRAPH", at_once * latents[0, 0].numel())
        return judge(critics, vae, latents, reference, parity("gender"), EVERYTHING, rng())

    one, four, all_at_once = judged(1), judged(4), judged(N)
    for other in (one, four):
        assert other.losses == pytest.approx(all_at_once.losses, rel=1e-4)
        torch.testing.assert_close(other.latents_gradient, all_at_once.latents_gradient, rtol=1e-3, atol=1e-6)
