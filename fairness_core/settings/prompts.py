"""Concepts and prompts: the groups of assets/prompts/concepts.yaml, and a visitor's own words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from fairness_core.errors import UserError
from fairness_core.settings.attributes import ASSETS

# Written vowel, spoken consonant ("a university") and the reverse ("an hour").
SPOKEN_CONSONANT = re.compile(r"(uni(?!n|m)|use|usu|eu|one\b|once\b|ufo)", re.IGNORECASE)
SPOKEN_VOWEL = re.compile(r"(hour|honest|honou?r|heir)", re.IGNORECASE)


class ConceptsError(UserError):
    """A concepts file that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class ConceptGroup:
    train: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return self.train + self.held_out


@dataclass(frozen=True)
class Concepts:
    """template: holds {a_concept}, or is empty where the file lists whole prompts; groups: name -> concepts, in the order of
    the file."""

    template: str
    groups: dict[str, ConceptGroup]

    @property
    def train(self) -> tuple[str, ...]:
        return tuple(c for group in self.groups.values() for c in group.train)

    @property
    def held_out(self) -> tuple[str, ...]:
        return tuple(c for group in self.groups.values() for c in group.held_out)

    def prompt_of(self, concept: str) -> str:
        return self.template.format(a_concept=with_article(concept)) if self.template else concept


@cache
def load_concepts(path: Path = ASSETS / "prompts" / "concepts.yaml") -> Concepts:
    """Reads a file of concepts, or of whole prompts, which has no template.

    Raises ConceptsError for a concept listed twice or a template without {a_concept}.
    """
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    groups = {name: ConceptGroup(tuple(entry["train"]), tuple(entry["held_out"]))
              for name, entry in data["groups"].items()}
    listed = [concept for group in groups.values() for concept in group.all]
    if twice := {concept for concept in listed if listed.count(concept) > 1}:
        raise ConceptsError(f"{path.name} lists {sorted(twice)[0]!r} twice: "
                            "keep it in one place, or it is not held out.")
    if "template" in data and "{a_concept}" not in data["template"]:
        raise ConceptsError(f"The template of {path.name} must hold {{a_concept}}.")
    return Concepts(data.get("template", ""), groups)


def prompt_for(concept: str) -> str:
    """"nurse" -> "a photo of the face of a nurse, a person"."""
    return load_concepts().template.format(a_concept=with_article(concept))


def prompts_of_groups(file_name: str, groups: Iterable[str]) -> tuple[str, ...]:
    """The training prompts of some groups of a file in assets/prompts, in its own template if it has one.

    Raises ConceptsError for a file or a group that is not there.
    """
    path = ASSETS / "prompts" / Path(file_name).name
    if not path.is_file():
        raise ConceptsError(f"There is no {path.name} in assets/prompts.")
    concepts = load_concepts(path)
    if missing := [group for group in groups if group not in list(concepts.groups)]:
        raise ConceptsError(f"{path.name} has no group {missing[0]!r}: choose among {', '.join(concepts.groups)}.")
    return tuple(concepts.prompt_of(c) for g in groups for c in concepts.groups[g].train)


def with_article(phrase: str) -> str:
    """"artist" -> "an artist"; goes by sound: "a university lecturer", "an honest person"."""
    vowel = SPOKEN_VOWEL.match(phrase) or (phrase[0].lower() in "aeiou" and not SPOKEN_CONSONANT.match(phrase))
    return f"{'an' if vowel else 'a'} {phrase}"


def concept_of(prompt: str) -> str | None:
    """The known concept a prompt names, the longest if several, or None."""
    concepts = load_concepts()
    named = [c for c in concepts.train + concepts.held_out
             if re.search(rf"\b{re.escape(c)}\b", prompt, re.IGNORECASE)]
    return max(named, key=len, default=None)


def is_held_out(prompt: str, finetuned_on: Iterable[str] | None = None) -> bool:
    """Whether a prompt measures what carries over to concepts that were not finetuned on.

    finetuned_on: the prompts of a run. Without it the concepts file decides, and a prompt that names no known
    concept is not called held out.
    """
    concept = concept_of(prompt)
    if finetuned_on is None:
        return concept in load_concepts().held_out
    finetuned_on = tuple(finetuned_on)
    return prompt not in finetuned_on and (concept is None or concept not in map(concept_of, finetuned_on))


def parse_prompts(text: str) -> list[str]:
    """One prompt a line, in order; spaces are tidied, blank lines and repetitions dropped."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if line))
