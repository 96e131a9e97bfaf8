"""Prompts in context (assets/prompts/context.yaml): a role said in words, other wordings, other languages."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.prompts import ConceptGroup, load_concepts

CONTEXT_FILE = ASSETS / "prompts" / "context.yaml"
TRAINED, HELD_OUT, IN_CONTEXT = "trained on", "not trained on", "in context"  # the groups of an evaluation
ENGLISH = "en"


@cache
def languages_of_groups(path: Path = CONTEXT_FILE) -> dict[str, str]:
    """Group -> the language that a model must read for it ("en", "fr", ...)."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return {name: group["language"] for name, group in groups.items()}


def context_languages() -> tuple[str, ...]:
    """Every language there are prompts in, English first."""
    return tuple(dict.fromkeys(languages_of_groups().values()))


def context_groups(languages: Iterable[str] = (ENGLISH,)) -> dict[str, ConceptGroup]:
    """The groups in these languages, by name."""
    languages, known = tuple(languages), languages_of_groups()
    return {name: group for name, group in load_concepts(CONTEXT_FILE).groups.items() if known[name] in languages}


def context_prompts(languages: Iterable[str] = (ENGLISH,), finetuned_on: Iterable[str] = ()) -> tuple[str, ...]:
    """What measures whether a change carries over to prompts in context: those of `languages` that a run did not see.

    finetuned_on: the prompts of the run.
    """
    seen = set(finetuned_on)
    return tuple(p for group in context_groups(languages).values() for p in group.all if p not in seen)


def is_context(prompt: str) -> bool:
    return any(prompt in group.all for group in load_concepts(CONTEXT_FILE).groups.values())


def evaluation_group(prompt: str, held_out: bool) -> str:
    """The group in which a prompt is measured. held_out: it was not finetuned on."""
    if not held_out:
        return TRAINED
    return IN_CONTEXT if is_context(prompt) else HELD_OUT
