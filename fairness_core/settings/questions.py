"""Questions that CLIP answers about a picture by the nearest of some texts: assets/questions.yaml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fairness_core.errors import UserError
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.prompts import load_concepts, prompt_for
from fairness_core.settings.validation import read_yaml

CONCEPTS = "{concepts}"


class QuestionsError(UserError):
    """A questions file that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Question:
    """label: shown to people; texts: of every answer, in the order of `answers`."""

    label: str
    answers: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]


@cache
def load_questions(kind: str, path: Path = ASSETS / "questions.yaml") -> tuple[Question, ...]:
    """kind: whose CLIP is asked, "built_in" or "photographs". Raises QuestionsError."""
    try:
        entries = dict(read_yaml(path)[kind])
        return tuple(question(label, answers) for label, answers in entries.items())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise QuestionsError(f"{path.name} cannot be used ({error}): write each question as label: {{answer: "
                             "[texts], ...}}.") from error


def question(label: str, answers: dict | str) -> Question:
    if answers == CONCEPTS:
        concepts = load_concepts()
        answers = {concept: [prompt_for(concept)] for concept in (*concepts.train, *concepts.held_out)}
    return Question(label, tuple(answers), tuple(map(tuple, answers.values())))

