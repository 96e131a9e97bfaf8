"""Which class each image should move to: optimal transport to a target distribution (METHOD section 3.1)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import binom

from fairness_core.errors import UserError
from fairness_core.settings.attributes import TargetDistribution

ROUNDING = 1e-9  # shares of a target that sums to 1


class TransportError(UserError):
    """Probabilities that cannot be matched to the target; the message says what is missing."""


@dataclass(frozen=True)
class Targets:
    """Targets of n images for one attribute.

    soft: float [n, classes], the share of draws that give the image each class (q), rows sum to 1;
    shares: float [classes], the target's own; labels: int [n], each image's most frequent class (y);
    confidence: float [n] in (0, 1], that class's share of the draws (c).
    """

    soft: np.ndarray
    shares: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        return self.soft.argmax(-1)

    @property
    def confidence(self) -> np.ndarray:
        return self.soft.max(-1)

    @property
    def certainty(self) -> np.ndarray:
        """float [n], at most 1: how sure the label is beyond what the target's shares alone say of it.

        Equal to the confidence where all classes have equal shares. With shares of 75/25 draws that tell nothing of an
        image give it the larger class with confidence .75: counted as sure, such labels would outnumber those of the
        smaller class by more than the target asks for, and the finetune would overshoot.
        """
        equal, own = 1 / len(self.shares), self.shares[self.labels]
        beyond = np.divide(self.confidence - own, 1 - own, out=np.ones_like(own), where=own < 1 - ROUNDING)
        return equal + (1 - equal) * beyond


def transport_targets(probabilities: dict[str, np.ndarray], target: TargetDistribution, *, draws: int = 100,
                      rng: np.random.Generator) -> dict[str, Targets]:
    """The expected optimal assignment of n images to n labels drawn from the target, by attribute.

    probabilities: attribute -> float [n, classes], rows summing to 1, for the images that have a face; attributes
    the target does not control are ignored. Attributes that depend on each other in the target are assigned together,
    their labels being joint classes; those that do not, each on its own: with few images and many joint classes, what
    an image is for one attribute would decide what it is asked for another (METHOD section 3.1).
    One binary attribute has a closed form; otherwise `draws` draws estimate the expectation.
    Raises TransportError without images, or for an attribute that is missing or has other classes.
    """
    controlled, found = check_probabilities(probabilities, target), {}
    for part in target.independent_parts():
        found |= assign_together([controlled[name] for name in part.names], part, draws, rng)
    return {name: found[name] for name in target.names}


def assign_together(probabilities: list[np.ndarray], target: TargetDistribution, draws: int,
                    rng: np.random.Generator) -> dict[str, Targets]:
    """The targets of all attributes of `target`, whose labels are joint classes; probabilities [n, classes] in its order."""
    ratios = np.asarray(target.joint) / np.sum(target.joint)
    shape = ratios.shape
    if shape == (2,):
        joint = binary_assignment(probabilities[0][:, 1], float(ratios[1]))
    else:
        joint = sampled_assignment(joint_cost(probabilities), ratios.ravel(), draws, rng)
    joint = joint.reshape(-1, *shape)
    return {name: Targets(marginal(joint, axis), marginal(ratios[None], axis)[0])
            for axis, name in enumerate(target.names, 1)}


def marginal(joint: np.ndarray, axis: int) -> np.ndarray:
    """[n, classes of one attribute] of shares [n, classes of the first, of the second, ...]; axis: the attribute's."""
    return joint.sum(axis=tuple(other for other in range(1, joint.ndim) if other != axis))


def binary_assignment(second: np.ndarray, ratio: float) -> np.ndarray:
    """Closed form for two classes: q [n, 2] from the second class's probability [n] and its target ratio.

    If m of the n drawn labels are of the second class, the m images with the highest probability get it; so the
    image of rank r gets it when m >= r, and m is binomial. Equal probabilities rank in the order given.
    """
    ranks = np.empty(len(second), dtype=int)
    ranks[np.argsort(-second, kind="stable")] = np.arange(1, len(second) + 1)
    share = binom.sf(ranks - 1, len(second), ratio)
    return np.stack([1 - share, share], axis=1)


def sampled_assignment(cost: np.ndarray, ratios: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """q [n, joint classes], estimated by `draws` draws of n labels; cost [n, joint classes], ratios [joint classes]."""
    n, classes = cost.shape
    drawn, times = np.unique(rng.multinomial(n, ratios, size=draws), axis=0, return_counts=True)
    shares = np.zeros((n, classes))
    for counts, weight in zip(drawn, times):
        shares[np.arange(n), assign(cost, counts)] += weight / draws
    return shares


def assign(cost: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The cheapest way to give n images the classes of `counts` (sums to n): class index of each image, int [n]."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images, columns = linear_sum_assignment(cost[:, labels])
    return labels[columns[np.argsort(images)]]


def joint_cost(probabilities: list[np.ndarray]) -> np.ndarray:
    """Cost of every image and joint class, [n, product of classes], in row-major order of the attributes.

    The root of the sum over attributes of the squared distance between the probabilities and a one-hot label.
    """
    squared = np.zeros((len(probabilities[0]), 1))
    for p in probabilities:
        one_attribute = ((p[:, None, :] - np.eye(p.shape[1])) ** 2).sum(-1)
        squared = (squared[:, :, None] + one_attribute[:, None, :]).reshape(len(p), -1)
    return np.sqrt(squared)


def check_probabilities(probabilities: dict[str, np.ndarray], target: TargetDistribution) -> dict[str, np.ndarray]:
    """The controlled attributes' probabilities in the target's order. Raises TransportError."""
    if missing := [name for name in target.names if name not in probabilities]:
        raise TransportError(f"The target controls {missing[0]!r}, which the classifier does not perceive: "
                             f"choose among {', '.join(probabilities)}.")
    controlled = {name: np.asarray(probabilities[name], dtype=float) for name in target.names}
    images = len(controlled[target.names[0]])
    for attribute in target.attributes:
        values = controlled[attribute.name]
        if values.shape != (images, len(attribute.classes)):
            raise TransportError(f"Probabilities of {attribute.name} have shape {values.shape}: "
                                 f"expected ({images}, {len(attribute.classes)}).")
        if not np.isfinite(values).all():
            raise TransportError(f"Probabilities of {attribute.name} are not finite: the classifier cannot read these "
                                 "faces. Load the model in float32, or use another classifier.")
    if not images:
        raise TransportError("No image with a face: there is nothing to assign.")
    return controlled
