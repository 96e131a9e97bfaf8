"""The published iteration gives the engine's gradient, by another way."""

import numpy as np
import pytest
import torch
from helpers.fakes import FixedDetector, tiny_critics, tiny_model

from benchmarks import published
from fairness_core.sampling.denoise import draw_noise
from fairness_core.settings.attributes import parity
from fairness_core.settings.config import FinetuneConfig, LossWeights
from fairness_core.training import start as starting
from fairness_core.training import step as training
from fairness_core.training.asking import transport_labels
from fairness_core.training.transport import assign_together


@pytest.fixture
def run():
    """Six images, so that the last micro-batch is smaller; an adapter that is not the identity any more."""
    target = parity("gender", "race")
    marginals = {a.name: dict.fromkeys(a.class_names, 1 / len(a.classes)) for a in target.attributes}
    config = FinetuneConfig(
        model="tiny", prompts=("a nurse",), marginals=marginals, lora_rank=2, images_per_prompt=6, sampling_steps=4,
        timesteps_per_update=0, noise_batches=0, guidance_scale=3.0, losses=LossWeights(confidence=0.3))
    run = starting.start(tiny_model(tiny_critics(FixedDetector())), config)
    generator = torch.Generator().manual_seed(1)
    for parameter in run.parameters:
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return run


def gradient_of(run) -> torch.Tensor:
    gradient = torch.cat([p.grad.flatten() for p in run.parameters])
    for parameter in run.parameters:
        parameter.grad = None
    return gradient


def noise_of(run) -> torch.Tensor:
    first = training.FIRST_TRAINING_NUMBER
    return draw_noise("a nurse", range(first, first + 6), run.config.seed, run.model.latent_shape)


def engines_targets(critics, images, target, confidence, rng) -> published.Targets:
    """What the engine answers for the same images, with the draws of its first step."""
    faces = published.find_faces(critics, images)
    seen = critics.classifier.probabilities(published.crops_of(critics.classifier, images, faces))
    rng = np.random.default_rng([0, 0, 0])
    both = transport_labels(seen, faces.found, target, LossWeights(confidence=confidence), rng)
    return published.Targets(*({name: torch.as_tensor(v) for name, v in part.items()} for part in both))


def test_the_gradient_is_the_engines(run, monkeypatch):
    training.add_gradients(run, training.batch_of_step(run))
    expected = gradient_of(run)
    monkeypatch.setattr(published, "find_targets", engines_targets)
    published.add_gradient(run, "a nurse", noise_of(run), np.random.default_rng(0))
    found = gradient_of(run)
    assert expected.norm() > 0
    assert (found - expected).norm() <= 1e-4 * expected.norm()


def test_it_would_differ_without_the_rescaling(run, monkeypatch):
    training.add_gradients(run, training.batch_of_step(run))
    expected = gradient_of(run)
    monkeypatch.setattr(published, "find_targets", engines_targets)
    monkeypatch.setattr(published, "AdjustedDenoiser", lambda denoiser, factors: published.CheckpointedDenoiser(denoiser))
    published.add_gradient(run, "a nurse", noise_of(run), np.random.default_rng(0))
    assert (gradient_of(run) - expected).norm() > 1e-2 * expected.norm()


def test_a_step_moves_the_adapter(run):
    before = [p.detach().clone() for p in run.parameters]
    published.take_step(run)
    assert run.step == 1 and all(p.grad is None for p in run.parameters)
    assert any(not torch.equal(a, b) for a, b in zip(before, run.parameters))


@pytest.mark.parametrize("names", [("gender",), ("gender", "race")])
def test_drawn_shares_estimate_the_engines(names):
    """The published code transports several attributes together, also where the target is a product."""
    target, rng = parity(*names), np.random.default_rng(0)
    probabilities = {a.name: rng.dirichlet(np.ones(len(a.classes)), 8) for a in target.attributes}
    found = published.draw_shares(probabilities, target, rng, draws=2000)
    expected = assign_together(list(probabilities.values()), target, 2000, rng)
    for name in names:
        np.testing.assert_allclose(found[name].sum(1), 1)
        np.testing.assert_allclose(found[name], expected[name].soft, atol=0.06)


def test_images_without_a_face_have_no_target():
    hidden = iter([True, False, True])
    blind = tiny_critics(FixedDetector(shows=lambda place: next(hidden)))
    images = 0.3 * torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    targets = published.find_targets(blind, images, parity("gender"), 0.0, np.random.default_rng(0))
    assert targets.applies["gender"].tolist() == [True, False, True]
