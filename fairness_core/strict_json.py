"""JSON as every reader reads it: NaN and infinity, which JSON does not know, are null in a file and NaN again when read."""

import json
import math
from typing import Any


def to_json(data: Any, indent: int | None = None) -> str:
    """Mappings, sequences and scalars (Python's, numpy's, torch's) as JSON text; what is not finite becomes null.

    Without indent it is one line without spaces between values.
    """
    separators = (",", ":") if indent is None else None
    return json.dumps(without_nan(data), indent=indent, separators=separators, allow_nan=False)


def without_nan(data: Any) -> Any:
    """The same as plain Python values, None in the place of every number that is not finite."""
    if isinstance(data, dict):
        return {key: without_nan(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_nan(value) for value in data]
    if hasattr(data, "item"):
        data = data.item()
    return None if isinstance(data, float) and not math.isfinite(data) else data


def with_nan(data: Any) -> Any:
    """The inverse for data in which only numbers can be missing: NaN in the place of every None."""
    if isinstance(data, dict):
        return {key: with_nan(value) for key, value in data.items()}
    if isinstance(data, list):
        return [with_nan(value) for value in data]
    return math.nan if data is None else data
