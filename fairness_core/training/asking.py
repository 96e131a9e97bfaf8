"""What each image of a step is asked for: on the host, from one read of what the critics saw in all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fairness_core.critics.faces import Faces
from fairness_core.hardware.processes import Share
from fairness_core.hardware.waiting import may_wait
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.settings.config import LossWeights
from fairness_core.training.transport import transport_targets

TRANSPORT_DRAWS = 100
ROUNDING = 1e-9  # a confidence is a sum of shares: eighty hundredths may come out just below 0.8


@dataclass(frozen=True)
class Group:
    """The images of one prompt in a step. target: None asks every image for the classes of its original.

    total: how many images all processes have of it; rng: of the transport's draws.
    """

    target: TargetDistribution | None
    total: int
    rng: np.random.Generator


@dataclass(frozen=True)
class Table:
    """What was seen in n images, on the host, in the order of the prompts' images.

    found, original_found, finite: bool [n]; probabilities: attribute -> [n, classes]; original_labels: attribute -> [n].
    """

    found: np.ndarray
    original_found: np.ndarray
    finite: np.ndarray
    probabilities: dict[str, np.ndarray]
    original_labels: dict[str, np.ndarray]

    def rows(self, places: np.ndarray) -> "Table":
        return Table(self.found[places], self.original_found[places], self.finite[places],
                     {name: values[places] for name, values in self.probabilities.items()},
                     {name: values[places] for name, values in self.original_labels.items()})


@dataclass(frozen=True)
class Asked:
    """What the images of one prompt are asked for, of all processes, in their order.

    labels: attribute -> int [n]; applies: attribute -> bool [n]; found: bool [n], whether there is a face; distance: of
    the mean probabilities to the target by attribute, see events.StepDone; empty without a target. seen, seen_before:
    of the same attributes, how many faces are perceived as each class [classes], here and in the originals.
    """

    labels: dict[str, np.ndarray]
    applies: dict[str, np.ndarray]
    found: np.ndarray
    distance: dict[str, float]
    seen: dict[str, np.ndarray] = field(default_factory=dict)
    seen_before: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def aligned(self) -> int:
        """How many images are asked for any class."""
        return int(np.stack(list(self.applies.values())).any(0).sum())


def read_table(images: Tensor, faces: Faces, probabilities: dict[str, Tensor], original_found: Tensor,
               original_labels: dict[str, Tensor], share: Share) -> Table:
    """Everything that the host needs to know about this step's images, of all processes, in one read."""
    finite = images.flatten(1).sum(1).isfinite()  # one that is not makes the sum so
    columns = [faces.found[:, None], original_found[:, None], finite[:, None],
               *(labels[:, None] for labels in original_labels.values()), *probabilities.values()]
    with may_wait():
        packed = share.gather(torch.cat([column.float() for column in columns], 1)).cpu().numpy()
    first, last = 3, 3 + len(original_labels)
    ends = last + np.cumsum([0, *(values.shape[1] for values in probabilities.values())])
    return Table(*(packed[:, i] > 0 for i in range(3)),
                 {name: packed[:, a:b] for name, a, b in zip(probabilities, ends, ends[1:])},
                 {name: packed[:, i].astype(int) for name, i in zip(original_labels, range(first, last))})


def ask(group: Group, seen: Table, weights: LossWeights) -> Asked | None:
    """What the images of a prompt are asked for; None when none of them shows a face: there is nothing to align."""
    if not seen.found.any():
        return None
    if group.target is None:
        return Asked(*kept_labels(seen.original_labels, seen.found & seen.original_found), seen.found, {})
    labels, applies = transport_labels(seen.probabilities, seen.found, group.target, weights, group.rng)
    return Asked(labels, applies, seen.found, distances(seen.probabilities, seen.found, group.target),
                 *faces_seen(seen, group.target))


def faces_seen(seen: Table, target: TargetDistribution) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """attribute -> faces perceived as each class [classes], in these images and in the originals."""
    now, before = {}, {}
    for a in target.attributes:
        now[a.name] = np.bincount(seen.probabilities[a.name][seen.found].argmax(-1), minlength=len(a.classes))
        before[a.name] = np.bincount(seen.original_labels[a.name][seen.original_found], minlength=len(a.classes))
    return now, before


def transport_labels(probabilities: dict[str, np.ndarray], found: np.ndarray, target: TargetDistribution,
                     weights: LossWeights,
                     rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(labels [n], applies bool [n]) by attribute; images without a face take no part."""
    found = np.asarray(found)
    seen = {name: np.asarray(probabilities[name])[found] for name in target.names}
    targets = transport_targets(seen, target, draws=TRANSPORT_DRAWS, rng=rng)
    labels, applies = {}, {}
    for name in target.names:
        labels[name], applies[name] = np.zeros(len(found), int), np.zeros(len(found), bool)
        labels[name][found] = targets[name].labels
        applies[name][found] = targets[name].certainty >= weights.confidence - ROUNDING
    return labels, applies


def kept_labels(original_labels: dict[str, np.ndarray],
                both: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(labels [n], applies bool [n]) of every attribute: the original's, where both pictures show a face."""
    return dict(original_labels), dict.fromkeys(original_labels, both)


def distances(probabilities: dict[str, np.ndarray], found: np.ndarray, target: TargetDistribution) -> dict[str, float]:
    """attribute -> half the L1 distance of the batch's mean probabilities to the target."""
    found = np.asarray(found)
    return {name: float(np.abs(np.asarray(probabilities[name])[found].mean(0) - target.marginal(name)).sum() / 2)
            for name in target.names}


def own_columns(groups: Sequence[Group], asked: Sequence[Asked | None], names: Sequence[str],
                share: Share) -> np.ndarray:
    """This process's images' rows [n, 3 * names + 1]: labels, applies and controls of every attribute, has a target.

    controls: whether the prompt asks anything about the attribute. All are 0 for a prompt without a face.
    """
    rows = []
    for group, answer in zip(groups, asked):
        own = share.own(group.total)
        part = np.zeros((group.total, 3 * len(names) + 1), dtype=np.int64)
        for i, name in enumerate(names):
            if answer is not None and name in answer.labels:
                part[:, i], part[:, len(names) + i] = answer.labels[name], answer.applies[name]
                part[:, 2 * len(names) + i] = 1
        part[:, -1] = group.target is not None
        rows.append(part[own])
    return np.concatenate(rows)
