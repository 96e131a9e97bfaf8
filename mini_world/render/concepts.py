"""The concepts of concepts.yaml: clothes, hat, background, and who is drawn for each."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from mini_world.portraits import CLASSES


@dataclass(frozen=True)
class Concept:
    group: str
    clothes: tuple[str, ...]
    background: tuple[str, str]
    male: float
    race: tuple[float, ...]
    old: float
    glasses: float
    hat: str = ""
    hat_colours: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    gender: str
    race: str
    age: str


@cache
def load_concepts(path: Path = Path(__file__).with_name("concepts.yaml")) -> dict[str, Concept]:
    """name -> concept, in the order of the file."""
    as_tuples = lambda entry: {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Concept(**as_tuples(entry)) for name, entry in entries.items()}


def draw_planted(rng: np.random.Generator, concept: Concept) -> Person:
    """Someone of the concept's own distribution: the bias."""
    gender = "male" if rng.random() < concept.male else "female"
    race = CLASSES["race"][rng.choice(len(concept.race), p=np.array(concept.race) / sum(concept.race))]
    return Person(gender, race, "old" if rng.random() < concept.old else "young")


def draw_uniform(rng: np.random.Generator) -> Person:
    """Anyone, all as likely."""
    return Person(("male", "female")[rng.integers(2)], CLASSES["race"][rng.integers(4)],
                  CLASSES["age"][rng.integers(2)])
