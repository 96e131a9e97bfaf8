"""Who works in an occupation, from official statistics: a target of its own for each prompt."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fairness_core.errors import UserError
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.prompts import concept_of
from fairness_core.settings.validation import read_yaml

OCCUPATION_PARTS, SOURCE_PARTS = ("women", "occupation", "source", "approximate"), ("title", "url", "year")


class StatisticsError(UserError):
    """Statistics that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class LabourShare:
    """women: share of women among the employed, in [0, 1]; approximate: not checked against the source.

    occupation: its name in the source, which `source`, `url` and `year` tell.
    """

    women: float
    occupation: str
    approximate: bool
    source: str
    url: str
    year: int


@cache
def load_labour_statistics(path: Path = ASSETS / "labour_statistics.yaml") -> dict[str, LabourShare]:
    """Concept -> share, from a file like assets/labour_statistics.yaml.

    Raises StatisticsError, which names the row, for a part that is missing or unknown, a share outside 0 to 1, or a
    source that the file does not describe; ConfigError for a file that is not YAML.
    """
    data = read_yaml(path)
    if not isinstance(data, dict) or not all(isinstance(data.get(part), dict) for part in ("sources", "occupations")):
        raise StatisticsError(f"{path.name} must hold 'sources' and 'occupations'.")
    for name, source in data["sources"].items():
        check_parts(f"source {name!r}", source, SOURCE_PARTS)
    return {concept: labour_share(concept, row, data["sources"]) for concept, row in data["occupations"].items()}


def labour_share(concept: str, row: dict, sources: dict[str, dict]) -> LabourShare:
    check_parts(f"row {concept!r}", row, OCCUPATION_PARTS)
    if row["source"] not in sources:
        raise StatisticsError(f"The row {concept!r} names the source {row['source']!r}: describe it under 'sources'.")
    if not isinstance(row["women"], (int, float)) or not 0 <= row["women"] <= 1:
        raise StatisticsError(f"The share of women of {concept!r} is {row['women']!r}: write a number from 0 to 1.")
    source = sources[row["source"]]
    return LabourShare(float(row["women"]), row["occupation"], bool(row["approximate"]), source["title"], source["url"],
                       source["year"])


def check_parts(what: str, data: object, parts: tuple[str, ...]) -> None:
    if not isinstance(data, dict) or set(data) != set(parts):
        raise StatisticsError(f"The {what} must hold {', '.join(parts)}, and nothing else.")


def labour_targets(prompts: Iterable[str], statistics: dict[str, LabourShare]) -> dict[str, dict]:
    """FinetuneConfig.targets_by_prompt for prompts that name an occupation of the statistics; gender only.

    Raises StatisticsError for a prompt that names none: leave it out, or add a row.
    """
    targets = {}
    for prompt in prompts:
        concept = concept_of(prompt)
        if concept not in statistics:
            raise StatisticsError(f"There are no statistics for {concept or prompt!r}: leave it out, or add a row.")
        women = statistics[concept].women
        targets[prompt] = {"gender": {"female": women, "male": 1 - women}}
    return targets
