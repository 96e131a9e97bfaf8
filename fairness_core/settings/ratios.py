"""Ratios as people write them, in a file, on the page or over the API: plain data, or a refusal in words."""

from collections.abc import Iterator
from itertools import islice
from numbers import Real

import numpy as np

from fairness_core.settings.validation import LONGEST_TEXT, ConfigError, shortened

MOST_ATTRIBUTES, MOST_CELLS = 8, 10_000  # of a joint table
LARGEST_RATIO = 1e6  # whoever writes percents is told that they do not sum to 1


class TargetError(ConfigError):
    """A target distribution that cannot be used; the message says what to change."""


def as_marginals(data: object) -> dict[str, dict[str, float]]:
    """Attribute -> class -> ratio. Raises TargetError for anything else, or a ratio that is no number of at least 0."""
    return {as_name(name): {as_name(c): as_ratio(ratio) for c, ratio in as_mapping(ratios).items()}
            for name, ratios in as_mapping(data).items()}


def as_mapping(data: object) -> dict:
    if not isinstance(data, dict):
        raise TargetError(f"Write a target as attribute: {{class: ratio, ...}}, not {shortened(data)}.")
    return data


def as_name(data: object) -> str:
    if not isinstance(data, str) or len(data) > LONGEST_TEXT:
        raise TargetError(f"Write a target as attribute: {{class: ratio, ...}}: {shortened(data)} is no name.")
    return data


def as_ratio(value: object) -> float:
    if not is_number(value):
        raise TargetError(f"Target ratios must be numbers, not {shortened(value)}.")
    if not 0 <= value <= LARGEST_RATIO:
        raise TargetError(f"Target ratios must be numbers between 0 and 100 %, not {shortened(value)}.")
    return float(value)


def is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def as_table(data: object) -> list:
    """Nested lists of numbers, one level an attribute. Raises TargetError for text, gaps, or rows of unlike lengths.

    Cells are counted before they are read: a few lines of YAML can name a row a billion times.
    """
    data = data.tolist() if isinstance(data, np.ndarray) else data
    found = list(islice(cells(data), MOST_CELLS + 1))
    refused = TargetError(f"Target ratios must be a full table of numbers, not {shortened(data)}.")
    if not isinstance(data, list | tuple) or len(found) > MOST_CELLS or not all(map(is_number, found)):
        raise refused
    for ratio in found:
        as_ratio(ratio)
    try:
        return np.array(data, dtype=float).tolist()
    except ValueError:  # rows of different lengths
        raise refused from None


def cells(table: object, level: int = 0) -> Iterator:
    """What a table holds where it is nested no further; a row without cells, or too deep to be one, counts as a cell."""
    if isinstance(table, list | tuple) and level < MOST_ATTRIBUTES and (table or level == 0):
        for part in table:
            yield from cells(part, level + 1)
    else:
        yield table
