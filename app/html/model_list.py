"""The models in words: what each needs, and what it may be used for, read before anything is downloaded."""

from collections.abc import Sequence

from app.html.fragment import fragment
from fairness_core.models.registry import ModelEntry


def model_list(entries: Sequence[ModelEntry]) -> str:
    """A closed list of every model; a model that cannot be used here says why."""
    return fragment("model_list", models=entries)
