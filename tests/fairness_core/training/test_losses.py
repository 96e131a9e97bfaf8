"""The three losses: masks, factors, and the gradient that is damped inside the face."""

import pytest
import torch
from torch.nn import functional as F

from fairness_core.settings.attributes import Attribute, AttributeClass, load_attributes
from fairness_core.training.losses import (alignment_loss, damp_face_gradient, face_realism_loss, nearest_in_bank,
                                           semantics_loss, smallest_factor)

N = 4


@pytest.fixture
def logits() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"gender": torch.randn(N, 2, generator=generator), "race": torch.randn(N, 4, generator=generator)}


LABELS = {"gender": torch.tensor([0, 1, 1, 0]), "race": torch.tensor([3, 2, 1, 0])}


def masks(gender: list[bool], race: list[bool]) -> dict[str, torch.Tensor]:
    return {"gender": torch.tensor(gender), "race": torch.tensor(race)}


def test_alignment_is_the_sum_of_cross_entropies_where_they_apply(logits):
    loss = alignment_loss(logits, LABELS, masks([True, True, False, False], [True, False, True, False]))
    gender = F.cross_entropy(logits["gender"], LABELS["gender"], reduction="none")
    race = F.cross_entropy(logits["race"], LABELS["race"], reduction="none")
    torch.testing.assert_close(loss, torch.stack([gender[0] + race[0], gender[1], race[2], torch.zeros(())]))


def test_an_image_that_takes_no_part_gives_exactly_nothing(logits):
    leaf = logits["gender"].requires_grad_()
    loss = alignment_loss(logits, LABELS, masks([True, True, True, False], [True, True, True, False]))
    assert loss[3].item() == 0.0
    loss.sum().backward()
    assert (leaf.grad[3] == 0).all() and (leaf.grad[:3] != 0).all()


def test_a_loss_that_does_not_apply_is_zero_even_where_the_classifier_answers_nonsense(logits):
    logits["gender"][3] = float("nan")
    loss = alignment_loss(logits, LABELS, masks([True, True, True, False], [False] * N))
    assert loss[3].item() == 0.0 and torch.isfinite(loss).all()


def test_alignment_only_looks_at_controlled_attributes(logits):
    only = {"gender": LABELS["gender"]}
    all_of_them = {"gender": torch.ones(N, dtype=torch.bool)}
    loss = alignment_loss(logits, only, all_of_them)
    torch.testing.assert_close(loss, F.cross_entropy(logits["gender"], LABELS["gender"], reduction="none"))


def test_alignment_of_half_precision_logits_is_float32(logits):
    halves = {name: v.bfloat16() for name, v in logits.items()}
    assert alignment_loss(halves, LABELS, masks([True] * N, [True] * N)).dtype == torch.float32


def test_smallest_factor_takes_the_strictest_changing_attribute():
    changes = {"gender": torch.tensor([False, True, False, True]), "race": torch.tensor([False, False, True, True])}
    attributes = [load_attributes()[name] for name in changes]
    assert smallest_factor(changes, attributes, "image_factor").tolist() == pytest.approx([1.0, 0.2, 0.6, 0.2])
    assert smallest_factor(changes, attributes, "face_factor").tolist() == pytest.approx([1.0, 0.2, 0.3, 0.2])
    assert smallest_factor(changes, attributes[::-1], "image_factor").tolist() == pytest.approx([1.0, 0.2, 0.6, 0.2])


def test_the_factors_are_the_attributes_own():
    """Three classes, and factors of its own: a new attribute needs no code."""
    classes = tuple(AttributeClass(name, name, "#000000") for name in ("short", "long", "none"))
    hair = Attribute("hair", "Hair", classes, image_factor=0.45, face_factor=0.05)
    changes = {"hair": torch.tensor([True, False])}
    assert smallest_factor(changes, [hair], "image_factor").tolist() == pytest.approx([0.45, 1.0])
    assert smallest_factor(changes, [hair], "face_factor").tolist() == pytest.approx([0.05, 1.0])


def test_semantics_is_one_value_per_image_and_a_factor_of_zero_silences_one():
    features = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    originals = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    loss = semantics_loss([features], [originals], torch.tensor([1.0, 0.0, 0.5]))
    each = 1 - F.cosine_similarity(features, originals, dim=-1)
    torch.testing.assert_close(loss, each * torch.tensor([1.0, 0.0, 0.5]))
    loss.sum().backward()
    assert (features.grad[1] == 0).all() and features.grad[[0, 2]].abs().sum() > 0


def test_semantics_sums_encoders_and_weighs_images():
    same, opposite = torch.eye(2), -torch.eye(2)
    loss = semantics_loss([same, same], [same, opposite], torch.tensor([1.0, 0.2]))
    torch.testing.assert_close(loss, torch.tensor([2.0, 0.4]))


def test_face_realism_is_zero_without_face_and_two_for_the_opposite():
    embeddings = F.normalize(torch.ones(3, 5), dim=-1).requires_grad_()
    targets = torch.stack([embeddings[0], -embeddings[1], -embeddings[2]]).detach()
    loss = face_realism_loss(embeddings, targets, torch.tensor([True, True, False]))
    torch.testing.assert_close(loss, torch.tensor([0.0, 2.0, 0.0]))
    loss[2].backward()
    assert (embeddings.grad == 0).all()


def test_face_realism_ignores_what_an_image_without_face_holds():
    embeddings = torch.full((1, 5), float("nan"))
    assert face_realism_loss(embeddings, torch.ones(1, 5), torch.tensor([False])).item() == 0.0


def test_nearest_in_bank():
    bank = torch.eye(3)
    near = F.normalize(torch.tensor([[0.1, 0.9, 0.2], [0.8, 0.1, 0.1]]), dim=-1)
    assert nearest_in_bank(near, bank).tolist() == [bank[1].tolist(), bank[0].tolist()]


def test_damping_leaves_images_alone_and_scales_the_gradient_inside_both_boxes():
    images = torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(0)).requires_grad_()
    boxes = torch.tensor([[1.0, 2.0, 6.0, 7.0], [0.0, 0.0, 4.0, 4.0]])
    others = torch.tensor([[3.0, 0.0, 9.0, 5.0], [5.0, 5.0, 8.0, 8.0]])  # the second pair does not meet
    damped = damp_face_gradient(images, boxes, others, torch.tensor([0.2, 0.3]))
    assert torch.equal(damped, images)
    arriving = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    damped.backward(arriving)
    expected = arriving.clone()
    expected[0, :, 2:5, 3:6] *= 0.2  # rows 2..4, columns 3..5: where [1 2 6 7] and [3 0 9 5] meet
    torch.testing.assert_close(images.grad, expected)


def test_damping_does_nothing_without_a_face():
    images = torch.zeros(1, 3, 6, 6, requires_grad=True)
    nowhere = torch.zeros(1, 4)
    damp_face_gradient(images, nowhere, torch.tensor([[0.0, 0.0, 6.0, 6.0]]), torch.tensor([0.2])).sum().backward()
    assert (images.grad == 1).all()
