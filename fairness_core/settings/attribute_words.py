"""What a user does without any training: attribute words put into the prompt, at random in the target's ratio.

The words are data: assets/attributes.yaml says which, assets/prompts/people.yaml before whom.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from fairness_core.settings.attributes import ASSETS, Attribute, AttributesError, TargetDistribution
from fairness_core.settings.prompts import load_concepts, with_article

PROMPTS = ASSETS / "prompts"
PEOPLE, CONCEPTS = PROMPTS / "people.yaml", ("concepts.yaml", "wide.yaml", "sd15.yaml")
ARTICLE = re.compile(r"\b(an?) $", re.IGNORECASE)
DRAWS = 0x3A5E  # another stream than any other draw of the same seed, prompt and number


@dataclass(frozen=True)
class WordedPrompts:
    """prompts: one a picture. left_alone: why they are the plain prompt, or empty where words were put in."""

    prompts: tuple[str, ...]
    left_alone: str = ""


def worded_prompts(prompt: str, numbers: Sequence[int], seed: int, target: TargetDistribution) -> WordedPrompts:
    """The prompt with the words of classes drawn from the target, jointly where it is joint, for every picture anew.

    A draw is a function of seed, prompt and the picture's number. A prompt that names a class of a controlled attribute
    already, or shows no person that people.yaml or a file of concepts knows, stays as it is. Raises AttributesError for
    a class without words.
    """
    check_words(target.attributes)
    if reason := why_left_alone(prompt, target.attributes):
        return WordedPrompts((prompt,) * len(numbers), reason)
    return WordedPrompts(tuple(with_words(prompt, drawn_words(prompt, number, seed, target)) for number in numbers))


def check_words(attributes: Sequence[Attribute]) -> None:
    for attribute in attributes:
        for cls in attribute.classes:
            if not attribute.words.get(cls.name):
                raise AttributesError(f"attributes.yaml has no words for {attribute.name}: {cls.name}: add it to the line "
                                      f"words: {{{cls.name}: [{cls.name}], ...}}, and a prompt can say it.")


def why_left_alone(prompt: str, attributes: Sequence[Attribute]) -> str:
    """Why no words belong into the prompt; empty where they do."""
    for attribute in attributes:
        if named := named_class(prompt, attribute):
            return f"it names a class already (“{named}”)"
    return "" if person_in(prompt) else "it names no person that is known here (assets/prompts/people.yaml)"


def named_class(prompt: str, attribute: Attribute) -> str:
    """The word in the prompt that names a class of the attribute; empty when there is none."""
    for pattern in attribute.elsewhere:
        prompt = re.sub(rf"\b{pattern}\b", "", prompt, flags=re.IGNORECASE)
    said = [*attribute.words.values(), *attribute.also.values()]
    found = any_of(word for words in said for word in words).search(prompt)
    return found.group() if found else ""


def any_of(words) -> re.Pattern:
    """Any of these words, the longest first, in any case; nothing where there are none."""
    longest_first = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(longest_first) or '(?!)'})\b", re.IGNORECASE)


def person_in(prompt: str) -> re.Match | None:
    """The first person in a prompt, one or several of them."""
    return person_pattern().search(prompt)


@cache
def person_pattern(people: Path = PEOPLE) -> re.Pattern:
    """A "wealthy person" is a person with a word before it, and words of attributes follow that one."""
    concepts = {concept.partition(",")[0] for name in CONCEPTS for group in load_concepts(PROMPTS / name).groups.values()
                for concept in group.all if not concept.endswith(" person")}
    listed = yaml.safe_load(people.read_text(encoding="utf-8"))["people"]
    words = {*concepts, *listed}
    return any_of({*words, *(f"{word}s" for word in words)})


def drawn_words(prompt: str, number: int, seed: int, target: TargetDistribution) -> tuple[str, ...]:
    """One word for each attribute, in the order in which they stand."""
    rng = np.random.default_rng([DRAWS, seed, number, *prompt.encode()])
    ratios = target.joint.ravel() / target.joint.sum()
    cell = np.unravel_index(rng.choice(len(ratios), p=ratios), target.joint.shape)
    drawn = [(attribute.place, str(rng.choice(attribute.words[attribute.class_names[i]])))
             for attribute, i in zip(target.attributes, cell, strict=True)]
    return tuple(word for _, word in sorted(drawn, key=lambda one: one[0]))


def with_words(prompt: str, words: Sequence[str]) -> str:
    """The words before the first person, and the article before them as it sounds: "an old Black judge"."""
    place, said = person_in(prompt).start(), " ".join(words)
    before, after = prompt[:place], prompt[place:]
    if found := ARTICLE.search(before):
        article = with_article(said).partition(" ")[0]
        before = before[:found.start()] + (article.capitalize() if found.group()[0].isupper() else article) + " "
    return f"{before}{said} {after}"
