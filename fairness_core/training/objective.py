"""Latents -> images -> faces -> losses -> one gradient at the latents. METHOD section 3."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fairness_core.critics import Critics, FaceEmbedder
from fairness_core.critics.faces import Faces, crop_for
from fairness_core.hardware.processes import Share
from fairness_core.sampling.denoise import decode, decode_in_parts
from fairness_core.settings.attributes import Attribute, TargetDistribution
from fairness_core.settings.config import LossWeights
from fairness_core.training.losses import (alignment_loss, damp_face_gradient, face_realism_loss, nearest_in_bank,
                                           semantics_loss, smallest_factor)
from fairness_core.training.transport import transport_targets

CONFIDENT = 0.8  # an original's face is kept as target only when its class is this sure
TRANSPORT_DRAWS = 100
# Decoded and judged with gradient at once: sixteen images of the built-in model, one of Stable Diffusion 1.5.
LATENT_PIXELS_WITH_GRAPH = 16 * 16 * 16
ROUNDING = 1e-9  # a confidence is a sum of shares: eighty hundredths may come out just below 0.8


@dataclass(frozen=True)
class Reference:
    """What the frozen model painted from the same noises, as the losses need it.

    labels, confidence: attribute -> [n]; features: one [n, d] an encoder; embeddings: [n, d].
    """

    faces: Faces
    labels: dict[str, Tensor]
    confidence: dict[str, Tensor]
    features: list[Tensor]
    embeddings: Tensor

    def rows(self, rows: slice) -> "Reference":
        return Reference(self.faces.rows(rows), rows_of(self.labels, rows), rows_of(self.confidence, rows),
                         [features[rows] for features in self.features], self.embeddings[rows])


@dataclass(frozen=True)
class Wanted:
    """The faces of n images, and by attribute [n]: the class asked for, whether it is asked, whether it is another."""

    faces: Faces
    labels: dict[str, Tensor]
    applies: dict[str, Tensor]
    changes: dict[str, Tensor]

    def rows(self, rows: slice) -> "Wanted":
        return Wanted(self.faces.rows(rows), rows_of(self.labels, rows), rows_of(self.applies, rows),
                      rows_of(self.changes, rows))


@dataclass(frozen=True)
class Judgement:
    """latents_gradient: the loss scale times dL/dz0 [n, c, h, w]; losses: means over the images each applies to;
    distance: see events.
    """

    latents_gradient: Tensor
    losses: dict[str, float]
    distance: dict[str, float]
    faces_found: int


def rows_of(values: dict[str, Tensor], rows: slice) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in values.items()}


def slices(n: int, size: int) -> Iterator[slice]:
    """0 to n in steps of `size`; the last may be shorter."""
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))


@torch.no_grad()
def look_at_originals(critics: Critics, images: Tensor) -> Reference:
    """Everything the losses will ask of the original images [n, 3, h, w]."""
    faces = critics.detector(images)
    confidence, labels = {}, {}
    crops = crop_for(critics.classifier, images, faces)
    for name, probabilities in critics.classifier.probabilities(crops).items():
        confidence[name], labels[name] = probabilities.max(-1)
    return Reference(faces, labels, confidence, [encode(images).float() for encode in critics.encoders.values()],
                     critics.face_embedder.embed(crop_for(critics.face_embedder, images, faces)))


def transport_labels(probabilities: dict[str, Tensor], found: Tensor, target: TargetDistribution, weights: LossWeights,
                     rng: np.random.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(labels [n], applies bool [n]) by attribute; images without a face take no part."""
    rows = found.nonzero().flatten()
    seen = {name: probabilities[name][rows].cpu().numpy() for name in target.names}
    targets = transport_targets(seen, target, draws=TRANSPORT_DRAWS, rng=rng)
    labels, applies = {}, {}
    for name in target.names:
        labels[name] = torch.zeros(len(found), dtype=torch.long, device=found.device)
        applies[name] = torch.zeros_like(found)
        labels[name][rows] = torch.as_tensor(targets[name].labels, dtype=torch.long, device=found.device)
        sure = targets[name].certainty >= weights.confidence - ROUNDING
        applies[name][rows] = torch.as_tensor(sure, device=found.device)
    return labels, applies


def kept_labels(reference: Reference, found: Tensor, share: Share) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(labels [n], applies bool [n]) of every attribute: the original's, where both pictures show a face."""
    both = found & share.gather(reference.faces.found)
    return {name: share.gather(labels) for name, labels in reference.labels.items()}, dict.fromkeys(reference.labels, both)


def judge(critics: Critics, vae: nn.Module, latents: Tensor, reference: Reference, target: TargetDistribution | None,
          weights: LossWeights, rng: np.random.Generator, share: Share = Share(),
          scale: Callable[[Tensor], Tensor] = lambda loss: loss) -> Judgement | None:
    """Decodes latents [n, c, h, w], measures the three losses and goes back to the latents once.

    target: None asks every image for the classes of its original.
    share: the other images of the prompt may be with other processes; the transport and the means are over all of
    them. scale: of the loss, and thus of the gradient: float16 would lose small ones. Returns None when no image of
    any process shows a face: there is nothing to align.

    The transport needs every image before the first gradient, and the decoder's graph is what takes the most memory
    of all: where the images are large, they are decoded without it, and again with it, a few at a time.
    """
    size = max(1, LATENT_PIXELS_WITH_GRAPH // latents[0, 0].numel())
    together = len(latents) <= size
    leaf = latents.detach().requires_grad_(together)
    with torch.set_grad_enabled(together):
        decoded = decode_in_parts(vae, leaf)
    with torch.no_grad():
        images = decoded.detach()
        faces = critics.detector(images)
        found = share.gather(faces.found)
        if not found.any():
            return None
        seen = critics.classifier.probabilities(crop_for(critics.classifier, images, faces))
    own = {name: seen[name] for name in (target.names if target else reference.labels)}
    probabilities = {name: share.gather(values) for name, values in own.items()}
    every = (transport_labels(probabilities, found, target, weights, rng) if target
             else kept_labels(reference, found, share))
    labels, applies = ({name: values[share.own(len(found))] for name, values in part.items()} for part in every)
    wanted = Wanted(faces, labels, applies, class_changes(own, labels, applies, faces, reference))
    gradients, losses = [], []
    for rows in slices(len(latents), size):
        part = leaf if together else latents[rows].detach().requires_grad_()
        with torch.enable_grad():
            part_images = decoded if together else decode(vae, part)
            each = losses_of(critics, part_images, reference.rows(rows), wanted.rows(rows),
                             target.attributes if target else (), weights)
            scale(each[0].sum() / len(found)).backward()
        gradients.append(part.grad)
        losses.append(each.detach())
    total, alignment, semantics, face = (share.gather(values) for values in torch.cat(losses, 1))
    aligned = torch.stack(list(every[1].values())).any(0)
    means = {"total": total.mean(), "alignment": alignment.sum() / aligned.sum().clamp(min=1),
             "semantics": semantics.mean(), "face": face.sum() / found.sum()}
    return Judgement(torch.cat(gradients), {k: v.item() for k, v in means.items()},
                     distances(probabilities, found, target) if target else {}, int(found.sum()))


def losses_of(critics: Critics, images: Tensor, reference: Reference, wanted: Wanted, attributes: Iterable[Attribute],
              weights: LossWeights) -> Tensor:
    """Weighted total, alignment, semantics and face realism, each for every image: [4, n].

    attributes: those whose change relaxes the semantics loss.
    """
    faces = wanted.faces
    logits = critics.classifier(crop_for(critics.classifier, images, faces))
    alignment = alignment_loss(logits, wanted.labels, wanted.applies)
    semantics = semantics_of(critics, images, faces, reference, wanted.changes, attributes)
    crops = crop_for(critics.face_embedder, images, faces)
    face = face_of(critics.face_embedder, critics.face_bank, crops, faces, reference, wanted.changes)
    return torch.stack([alignment + weights.semantics * semantics + weights.face * face, alignment, semantics, face])


def class_changes(probabilities: dict[str, Tensor], labels: dict[str, Tensor], applies: dict[str, Tensor],
                  faces: Faces, reference: Reference) -> dict[str, Tensor]:
    """attribute -> bool [n]: the class asked for (or, where none is, the class reached) is not the original's."""
    both = faces.found & reference.faces.found
    return {name: both & (torch.where(applies[name], labels[name], probabilities[name].argmax(-1))
                          != reference.labels[name]) for name in labels}


def semantics_of(critics: Critics, images: Tensor, faces: Faces, reference: Reference,
                 changes: dict[str, Tensor], attributes: Iterable[Attribute]) -> Tensor:
    """The image-semantics loss with its two factors, [n]."""
    inside = smallest_factor(changes, attributes, "face_factor")
    damped = damp_face_gradient(images, faces.boxes, reference.faces.boxes, inside)
    features = [encode(damped) for encode in critics.encoders.values()]
    return semantics_loss(features, reference.features, smallest_factor(changes, attributes, "image_factor"))


def face_of(embedder: FaceEmbedder, bank: Tensor, crops: Tensor, faces: Faces, reference: Reference,
            changes: dict[str, Tensor]) -> Tensor:
    """The face-realism loss, [n]: towards the original's face where it may stay, else towards the bank."""
    embeddings = embedder.embed(crops)
    kept = reference.faces.found
    for name, changed in changes.items():
        kept = kept & ~changed & (reference.confidence[name] >= CONFIDENT)
    targets = torch.where(kept[:, None], reference.embeddings, nearest_in_bank(embeddings.detach(), bank))
    return face_realism_loss(embeddings, targets, faces.found)


def distances(probabilities: dict[str, Tensor], found: Tensor, target: TargetDistribution) -> dict[str, float]:
    """attribute -> half the L1 distance of the batch's mean probabilities to the target."""
    return {name: float(np.abs(values[found].mean(0).cpu().numpy() - target.marginal(name)).sum() / 2)
            for name, values in probabilities.items()}
