"""The three losses of METHOD section 3, one value per image. Masks say which images a loss applies to."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from fairness_core.settings.attributes import Attribute


def alignment_loss(logits: dict[str, Tensor], labels: dict[str, Tensor], applies: dict[str, Tensor]) -> Tensor:
    """Cross-entropy to the transport labels, summed over attributes (equation 5).

    logits: [n, classes]; labels: int [n]; applies: bool [n] (face found and confidence at least C).
    Returns float [n]; zero where nothing applies.
    """
    total = torch.zeros(len(next(iter(labels.values()))), device=next(iter(logits.values())).device)
    for name, target in labels.items():
        each = F.cross_entropy(logits[name].float(), target, reduction="none")
        total = total + torch.where(applies[name], each, 0.0)
    return total


def smallest_factor(changes: dict[str, Tensor], attributes: Iterable[Attribute], factor: str) -> Tensor:
    """Per image, 1 where no class changes, else the smallest factor of the attributes that do. float [n].

    changes: attribute -> bool [n]; factor: "image_factor" or "face_factor" (section 3.2).
    """
    factors = torch.ones_like(next(iter(changes.values())), dtype=torch.float32)
    for attribute in attributes:
        relaxed = factors.clamp(max=getattr(attribute, factor))
        factors = torch.where(changes[attribute.name], relaxed, factors)
    return factors


def semantics_loss(features: list[Tensor], original_features: list[Tensor], weights: Tensor) -> Tensor:
    """Weighted sum over encoders of 1 - cosine to the original of the same noise (equation 7). float [n]."""
    distances = [1 - F.cosine_similarity(a.float(), b.float(), dim=-1) for a, b in zip(features, original_features)]
    return weights * torch.stack(distances).sum(0)


def face_realism_loss(embeddings: Tensor, targets: Tensor, applies: Tensor) -> Tensor:
    """1 - cosine to the target embedding where a face was found (equation 9). float [n]."""
    return torch.where(applies, 1 - F.cosine_similarity(embeddings.float(), targets.float(), dim=-1), 0.0)


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values: Tensor, factors: Tensor) -> Tensor:
        ctx.save_for_backward(factors)
        return values.view_as(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


def damp_face_gradient(images: Tensor, boxes: Tensor, other_boxes: Tensor, factors: Tensor) -> Tensor:
    """Images unchanged; their gradient is scaled by `factors` [n] inside both boxes' intersection [n, 4].

    So the face may change while the scene stays (section 3.2, second factor).
    """
    left_top = torch.maximum(boxes[:, :2], other_boxes[:, :2])[:, :, None, None]
    right_bottom = torch.minimum(boxes[:, 2:], other_boxes[:, 2:])[:, :, None, None]
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device)[None, :, None] + 0.5
    x = torch.arange(width, device=images.device)[None, None, :] + 0.5
    inside = (x > left_top[:, 0]) & (x < right_bottom[:, 0]) & (y > left_top[:, 1]) & (y < right_bottom[:, 1])
    scale = torch.where(inside, factors[:, None, None], torch.ones((), device=images.device))
    return _ScaleGradient.apply(images, scale[:, None])


def nearest_in_bank(embeddings: Tensor, bank: Tensor) -> Tensor:
    """The bank's [m, d] unit-length rows nearest to unit-length embeddings [n, d], [n, d]."""
    return bank[(embeddings @ bank.T).argmax(1)]
