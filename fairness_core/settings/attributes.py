"""What is balanced: attributes are data, a target is a joint distribution over their classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from types import MappingProxyType

import numpy as np

from fairness_core.settings.ratios import TargetError, as_marginals, as_table
from fairness_core.settings.validation import ConfigError, read_yaml, shortened

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SUM_TOLERANCE = 1e-3
ROUNDING = 1e-6  # of a joint table's shares, as files and the page round them


class AttributesError(ConfigError):
    """An attribute that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class AttributeClass:
    """description: what an abbreviated label stands for; people: who they are in a sentence ("women")."""

    name: str
    label: str
    colour: str
    pattern: str = ""
    description: str = ""
    people: str = ""

    @property
    def who(self) -> str:
        return self.people or self.label


@dataclass(frozen=True)
class Attribute:
    """A perceived attribute: `name` keys it everywhere, `label` is shown to people.

    image_factor, face_factor: in [0, 1], how far the semantics loss is relaxed where the class must change, on the
    whole image and inside the face (paper, section 3.2). words: class -> words that say it before a person in a prompt
    ("a female nurse"); also: class -> what else in a prompt names it; elsewhere: patterns of words that name none ("black
    and white"). place: the lower, the earlier its word stands among those of other attributes ("an old Black judge").
    Raises AttributesError for a factor outside that range, or for fewer than two classes.
    """

    name: str
    label: str
    classes: tuple[AttributeClass, ...]
    image_factor: float = 0.6
    face_factor: float = 0.3
    words: Mapping[str, Sequence[str]] = field(default_factory=dict, hash=False)
    also: Mapping[str, Sequence[str]] = field(default_factory=dict, hash=False)
    elsewhere: Sequence[str] = field(default=(), hash=False)
    place: int = 0

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


Attributes = Mapping[str, Attribute]  # by name


@cache
def load_attributes(path: Path = ASSETS / "attributes.yaml") -> Attributes:
    """Reads the attributes a file defines, in the order of the file; what is returned cannot be changed.

    Without a path, those of the app. A program with attributes of its own passes them on: to `TargetDistribution`,
    `FinetuneConfig.target` and `finetune`. Raises AttributesError for a file of anything else, ConfigError for no YAML.
    """
    data = read_yaml(path)
    try:
        return MappingProxyType({
            name: Attribute(name=name, **entry | {"classes": tuple(
                AttributeClass(name=key, **fields) for key, fields in entry["classes"].items())})
            for name, entry in data.items()
        })
    except (TypeError, KeyError, AttributeError):
        raise AttributesError(f"{path.name} holds no attributes: write each as name: {{label: ..., classes: "
                              "{name: {label: ..., colour: ...}}}.") from None


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
    def from_marginals(cls, marginals: dict[str, dict[str, float]],
                       attributes: Attributes | None = None) -> "TargetDistribution":
        """Independent attributes: {"gender": {"female": .5, "male": .5}, ...}, each summing to 1.

        attributes: what is known, as of `load_attributes`; without it, what the app's own file holds. Raises
        TargetError for an unknown attribute or class, or ratios that do not sum.
        """
        joint, controlled = np.ones(()), []
        for name, ratios in as_marginals(marginals).items():
            attribute = known_attribute(name, attributes)
            unknown = set(ratios) - set(attribute.class_names)
            if unknown:
                raise TargetError(f"Unknown class {shortened(sorted(unknown)[0])} of {name}: "
                                  f"choose among {', '.join(attribute.class_names)}.")
            values = np.array([ratios.get(c, 0.0) for c in attribute.class_names])
            if abs(values.sum() - 1) > SUM_TOLERANCE:
                raise TargetError(f"The ratios of {name} sum to {100 * values.sum():.1f} %: make them sum to 100 %.")
            joint = np.multiply.outer(joint, values)
            controlled.append(attribute)
        return cls(tuple(controlled), joint)

    @classmethod
    def from_joint(cls, names: Sequence[str], joint: Sequence,
                   attributes: Attributes | None = None) -> "TargetDistribution":
        """A joint table over the named attributes: nested lists, one level an attribute, summing to 1.

        attributes: as for `from_marginals`. Raises TargetError for an unknown attribute, or a table of another shape
        or sum.
        """
        return cls(tuple(known_attribute(name, attributes) for name in names), np.array(as_table(joint)))

    def marginal(self, name: str) -> np.ndarray:
        """Target of one attribute alone, [classes]. Raises KeyError when it is not controlled."""
        return self.part([name]).joint

    def part(self, names: Sequence[str]) -> "TargetDistribution":
        """Of these attributes alone, in this order. Raises KeyError for one that is not controlled."""
        if missing := set(names) - set(self.names):
            raise KeyError(missing.pop())
        axes = [self.names.index(name) for name in names]
        others = tuple(i for i in range(self.joint.ndim) if i not in axes)
        return TargetDistribution(tuple(self.attributes[i] for i in axes),
                                  self.joint.sum(axis=others).transpose(np.argsort(np.argsort(axes))))

    def independent_parts(self) -> tuple["TargetDistribution", ...]:
        """The smallest parts of which the joint table is the product: what it says of one, it says whatever the others are."""
        first, *others = self.names
        for size in range(len(others)):
            for chosen in combinations(others, size):
                apart = [name for name in others if name not in chosen]
                part, rest = self.part([first, *chosen]), self.part(apart)
                product = np.multiply.outer(part.joint, rest.joint)
                if np.allclose(self.part([first, *chosen, *apart]).joint, product, rtol=0, atol=ROUNDING):
                    return part, *rest.independent_parts()
        return (self,)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.attributes)


def known_attribute(name: str, attributes: Attributes | None = None) -> Attribute:
    """Raises TargetError for a name that is not among the attributes; without them, the app's own."""
    known = load_attributes() if attributes is None else attributes
    if name not in known:
        raise TargetError(f"Unknown attribute {shortened(name)}: choose among {', '.join(known)}.")
    return known[name]


def parity(*names: str, attributes: Attributes | None = None) -> TargetDistribution:
    """Every class of every named attribute equally often."""
    known = load_attributes() if attributes is None else attributes
    return TargetDistribution.from_marginals(
        {n: {c: 1 / len(known[n].classes) for c in known[n].class_names} for n in names}, known)
