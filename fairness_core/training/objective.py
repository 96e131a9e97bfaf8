"""Latents -> images -> faces -> losses -> one gradient at the latents. METHOD section 3."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from fairness_core.critics import Critics, FaceEmbedder
from fairness_core.critics.faces import Faces, crop_for
from fairness_core.hardware.processes import Share
from fairness_core.hardware.waiting import may_wait, to_device
from fairness_core.sampling.denoise import decode, decode_in_parts
from fairness_core.sampling.finite import check_finite
from fairness_core.settings.attributes import Attribute
from fairness_core.settings.config import LossWeights
from fairness_core.training.asking import Asked, Group, ask, own_columns, read_table
from fairness_core.training.losses import (alignment_loss, damp_face_gradient, face_realism_loss, nearest_in_bank,
                                           semantics_loss, smallest_factor)

CONFIDENT = 0.8  # an original's face is kept as target only when its class is this sure
# Decoded and judged with gradient at once: twenty-eight images of the built-in model, one of Stable Diffusion 1.5.
LATENT_PIXELS_WITH_GRAPH = 28 * 16 * 16
LOOKED_AT_ONCE = 32  # images that the critics see together without gradient
LOSSES = ("total", "alignment", "semantics", "face")


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

    @classmethod
    def joined(cls, parts: Sequence["Reference"]) -> "Reference":
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        each = [{name: torch.cat([getattr(p, kind)[name] for p in parts]) for name in parts[0].labels}
                for kind in ("labels", "confidence")]
        return cls(Faces.joined([p.faces for p in parts]), *each,
                   [torch.cat(features) for features in zip(*(p.features for p in parts))],
                   torch.cat([p.embeddings for p in parts]))


@dataclass(frozen=True)
class Wanted:
    """The faces of n images, how much each image's loss counts [n], and by attribute [n]: the class asked for, whether
    it is asked, whether it is another than the original's, and whether that lets the picture change."""

    faces: Faces
    shares: Tensor
    labels: dict[str, Tensor]
    applies: dict[str, Tensor]
    changes: dict[str, Tensor]
    relaxes: dict[str, Tensor]

    def rows(self, rows: slice) -> "Wanted":
        return Wanted(self.faces.rows(rows), self.shares[rows], rows_of(self.labels, rows), rows_of(self.applies, rows),
                      rows_of(self.changes, rows), rows_of(self.relaxes, rows))


@dataclass(frozen=True)
class Judgement:
    """latents_gradient: the loss scale times dL/dz0 [n, c, h, w], L the sum over the prompts of their images' mean loss;
    losses: [4, n] as in LOSSES, this process's images'; asked: by prompt, None for one that no image shows a face of.
    """

    latents_gradient: Tensor
    losses: Tensor
    asked: list[Asked | None]


@dataclass(frozen=True)
class Told:
    """Of one prompt. losses: means over the images that each applies to; distance, seen, seen_before: see events."""

    losses: dict[str, float]
    distance: dict[str, float]
    faces_found: int
    seen: dict[str, np.ndarray]
    seen_before: dict[str, np.ndarray]


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
    return Reference.joined([look_at_some(critics, images[rows], faces.rows(rows))
                             for rows in slices(len(images), LOOKED_AT_ONCE)])


def look_at_some(critics: Critics, images: Tensor, faces: Faces) -> Reference:
    confidence, labels = {}, {}
    crops = crop_for(critics.classifier, images, faces)
    for name, probabilities in critics.classifier.probabilities(crops).items():
        confidence[name], labels[name] = probabilities.max(-1)
    return Reference(faces, labels, confidence, [encode(images).float() for encode in critics.encoders.values()],
                     critics.face_embedder.embed(crop_for(critics.face_embedder, images, faces)))


def judge(critics: Critics, vae: nn.Module, latents: Tensor, reference: Reference, groups: Sequence[Group],
          weights: LossWeights, share: Share = Share(),
          scale: Callable[[Tensor], Tensor] = lambda loss: loss) -> Judgement:
    """Decodes latents [n, c, h, w], measures the three losses and goes back to the latents once.

    groups: the prompts whose images these are, one after the other; the transport is each prompt's own.
    share: the other images of a prompt may be with other processes; the transport and the means are over all of
    them. scale: of the loss, and thus of the gradient: float16 would lose small ones.
    Raises NotFiniteError for pictures that are not finite.

    The transport needs every image before the first gradient, and the decoder's graph is what takes the most memory
    of all: where the images are large, they are decoded without it, and again with it, a few at a time.
    """
    size = max(1, LATENT_PIXELS_WITH_GRAPH // latents[0, 0].numel())
    together = len(latents) <= size
    leaf = latents.detach().requires_grad_(together)
    with torch.set_grad_enabled(together):
        decoded = decode_in_parts(vae, leaf)
        with torch.no_grad():
            faces = critics.detector(decoded.detach())
        logits = perceive(critics, decoded, faces)
    asked, wanted, reference = want(decoded.detach(), faces, logits, reference, groups, weights, share)
    attributes = next((group.target.attributes for group in groups if group.target), ())
    gradients, losses = [], []
    for rows in [slice(0, len(latents))] if together else slices(len(latents), size):
        part = leaf if together else latents[rows].detach().requires_grad_()
        part_wanted = wanted.rows(rows)
        with torch.enable_grad():
            images = decoded if together else decode(vae, part)
            each = losses_of(critics, images, reference.rows(rows), part_wanted, attributes, weights,
                             logits if together else perceive(critics, images, part_wanted.faces))
            scale((each[0] * part_wanted.shares).sum()).backward()
        gradients.append(part.grad)
        losses.append(each.detach())
    return Judgement(torch.cat(gradients), torch.cat(losses, 1), asked)


def perceive(critics: Critics, images: Tensor, faces: Faces) -> dict[str, Tensor]:
    """The logits of every attribute, float32 [n, classes]; without gradient, a few images at a time."""
    size = len(images) if torch.is_grad_enabled() else LOOKED_AT_ONCE
    parts = [critics.classifier(crop_for(critics.classifier, images[rows], faces.rows(rows)))
             for rows in slices(len(images), size)]
    return {name: torch.cat([part[name] for part in parts]).float() for name in parts[0]}


@torch.no_grad()
def want(images: Tensor, faces: Faces, logits: dict[str, Tensor], reference: Reference, groups: Sequence[Group],
         weights: LossWeights, share: Share) -> tuple[list[Asked | None], Wanted, Reference]:
    """What every prompt's images are asked for, the same for this process's images where they are, and the original's
    side of it: an attribute that a prompt asks nothing about never makes its face unsure.
    """
    names = list(reference.labels)
    probabilities = {name: logits[name].softmax(-1) for name in names}
    table = read_table(images, faces, probabilities, reference.faces.found, reference.labels, share)
    check_finite(table.finite, "this step's")
    asked = [ask(group, table.rows(places), weights)
             for group, places in zip(groups, share.places([group.total for group in groups]), strict=True)]
    columns = to_device(torch.from_numpy(own_columns(groups, asked, names, share)), images.device)
    labels, applies, controls = (dict(zip(names, columns[:, i * len(names):(i + 1) * len(names)].unbind(1)))
                                 for i in range(3))
    applies, controls = ({name: values.bool() for name, values in part.items()} for part in (applies, controls))
    changed = class_changes(probabilities, labels, applies, faces, reference)
    changes = {name: values & controls[name] for name, values in changed.items()}
    relaxes = {name: values & columns[:, -1].bool() for name, values in changes.items()}
    confidence = {name: reference.confidence[name].masked_fill(~controls[name], 1.0) for name in names}
    shares = [0.0 if answer is None else 1 / group.total for group, answer in zip(groups, asked)]
    own = [len(range(group.total)[share.own(group.total)]) for group in groups]
    each = to_device(torch.tensor([value for value, n in zip(shares, own) for _ in range(n)]), images.device)
    return asked, Wanted(faces, each, labels, applies, changes, relaxes), replace(reference, confidence=confidence)


def losses_of(critics: Critics, images: Tensor, reference: Reference, wanted: Wanted, attributes: Iterable[Attribute],
              weights: LossWeights, logits: dict[str, Tensor]) -> Tensor:
    """Weighted total, alignment, semantics and face realism, each for every image: [4, n].

    attributes: those whose change relaxes the semantics loss; logits: what `perceive` says of the images.
    """
    faces = wanted.faces
    alignment = alignment_loss(logits, wanted.labels, wanted.applies)
    semantics = semantics_of(critics, images, faces, reference, wanted.relaxes, attributes)
    crops = crop_for(critics.face_embedder, images, faces)
    face = face_of(critics.face_embedder, critics.face_bank, crops, faces, reference, wanted.changes)
    return torch.stack([alignment + weights.semantics * semantics + weights.face * face, alignment, semantics, face])


def tell(judgement: Judgement, groups: Sequence[Group], share: Share) -> list[Told | None]:
    """What to say about each prompt, in one read; None for one without any face."""
    with may_wait():
        losses = share.gather(judgement.losses.T).cpu().double().numpy()
    told = []
    for asked, places in zip(judgement.asked, share.places([group.total for group in groups])):
        if asked is None:
            told.append(None)
            continue
        total, alignment, semantics, face = losses[places].sum(0)
        n, found = len(places), int(asked.found.sum())
        means = (total / n, alignment / max(asked.aligned, 1), semantics / n, face / found)
        told.append(Told(dict(zip(LOSSES, map(float, means))), asked.distance, found, asked.seen, asked.seen_before))
    return told


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
