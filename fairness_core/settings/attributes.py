"""What is balanced: attributes are data, a target is a joint distribution over their classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from fairness_core.errors import UserError

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SUM_TOLERANCE = 1e-3


class TargetError(UserError):
    """A target distribution that cannot be used; the message says what to change."""


class AttributesError(UserError):
    """An attribute that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class AttributeClass:
    name: str
    label: str
    colour: str
    pattern: str = ""
    description: str = ""


@dataclass(frozen=True)
class Attribute:
    """A perceived attribute: `name` keys it everywhere, `label` is shown to people.

    image_factor, face_factor: in [0, 1], how far the semantics loss is relaxed where the class must change, on the
    whole image and inside the face (paper, section 3.2). Raises AttributesError outside that range, or for fewer
    than two classes.
    """

    name: str
    label: str
    classes: tuple[AttributeClass, ...]
    image_factor: float = 0.6
    face_factor: float = 0.3

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise AttributesError(f"{self.name} has {len(self.classes)} classes: a distribution needs at least two.")
        for factor in ("image_factor", "face_factor"):
            if not 0 <= getattr(self, factor) <= 1:
                raise AttributesError(f"{factor} of {self.name} is {getattr(self, factor)}: "
                                      "it must lie between 0 and 1.")

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.classes)


@cache
def load_attributes(path: Path = ASSETS / "attributes.yaml") -> dict[str, Attribute]:
    """Reads the attributes a file defines, in the order of the file."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        name: Attribute(name=name, **entry | {"classes": tuple(
            AttributeClass(name=key, **fields) for key, fields in entry["classes"].items())})
        for name, entry in data.items()
    }


@dataclass(frozen=True)
class TargetDistribution:
    """Target probabilities over the joint classes of one or more attributes.

    joint: float array with one axis per attribute, in the order of `attributes`;
    entries in [0, 1] that sum to 1. It need not be a product of marginals.
    """

    attributes: tuple[Attribute, ...]
    joint: np.ndarray

    def __post_init__(self) -> None:
        shape = tuple(len(a.classes) for a in self.attributes)
        if not self.attributes:
            raise TargetError("Choose at least one attribute to control.")
        if self.joint.shape != shape:
            raise TargetError(f"The joint table has shape {self.joint.shape}; these attributes need {shape}.")
        if len(set(self.names)) < len(self.names):
            raise TargetError("An attribute is listed twice: control each one once.")
        if not np.isfinite(self.joint).all() or (self.joint < 0).any():
            raise TargetError("Target ratios must be numbers between 0 and 100 %.")
        if abs(self.joint.sum() - 1) > SUM_TOLERANCE:
            raise TargetError(f"Target ratios sum to {100 * self.joint.sum():.1f} %: make them sum to 100 %.")

    @classmethod
    def from_marginals(cls, marginals: dict[str, dict[str, float]]) -> "TargetDistribution":
        """Independent attributes: {"gender": {"female": .5, "male": .5}, ...}, each summing to 1.

        Raises TargetError for an unknown attribute or class, or ratios that do not sum.
        """
        joint, attributes = np.ones(()), []
        for name, ratios in as_mapping(marginals).items():
            attribute, ratios = known_attribute(name), as_mapping(ratios)
            unknown = set(ratios) - set(attribute.class_names)
            if unknown:
                raise TargetError(f"Unknown class {sorted(unknown)[0]!r} of {name}: "
                                  f"choose among {', '.join(attribute.class_names)}.")
            values = as_ratios([ratios.get(c, 0.0) for c in attribute.class_names])
            if abs(values.sum() - 1) > SUM_TOLERANCE:
                raise TargetError(f"The ratios of {name} sum to {100 * values.sum():.1f} %: make them sum to 100 %.")
            joint = np.multiply.outer(joint, values)
            attributes.append(attribute)
        return cls(tuple(attributes), joint)

    @classmethod
    def from_joint(cls, names: Sequence[str], joint: Sequence) -> "TargetDistribution":
        """A joint table over the named attributes: nested lists, one level an attribute, summing to 1.

        Raises TargetError for an unknown attribute, or a table of another shape or sum.
        """
        return cls(tuple(known_attribute(name) for name in names), as_ratios(joint))

    def marginal(self, name: str) -> np.ndarray:
        """Target of one attribute alone, [classes]. Raises KeyError when it is not controlled."""
        axis = [a.name for a in self.attributes].index(name) if name in self.names else None
        if axis is None:
            raise KeyError(name)
        return self.joint.sum(axis=tuple(i for i in range(self.joint.ndim) if i != axis))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.attributes)


def as_mapping(data: object) -> dict:
    """Raises TargetError for anything that is not a mapping."""
    if not isinstance(data, dict):
        raise TargetError(f"Write a target as attribute: {{class: ratio, ...}}, not {data!r}.")
    return data


def known_attribute(name: str) -> Attribute:
    """Raises TargetError for a name that the attributes file does not hold."""
    known = load_attributes()
    if name not in known:
        raise TargetError(f"Unknown attribute {name!r}: choose among {', '.join(known)}.")
    return known[name]


def as_ratios(values: Sequence) -> np.ndarray:
    """Raises TargetError for text, gaps, or rows of different lengths."""
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise TargetError(f"Target ratios must be a full table of numbers, not {values}.") from None


def parity(*names: str) -> TargetDistribution:
    """Every class of every named attribute equally often."""
    known = load_attributes()
    return TargetDistribution.from_marginals(
        {n: {c: 1 / len(known[n].classes) for c in known[n].class_names} for n in names})
