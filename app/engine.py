"""What the app asks of the engine, as one value: tests hand in a quick double instead."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fairness_core.events import Event
from fairness_core.results import PromptComparison


@dataclass(frozen=True)
class Engine:
    """The engine's entry points. See fairness_core for their arguments; a model is opaque but for name and label."""

    available_models: Callable[[], list]
    load_model: Callable[[str], Any]
    load_presets: Callable[[], list]
    finetune: Callable[..., Iterator[Event]]
    compare: Callable[..., Iterator[PromptComparison]]


def fairness_engine() -> Engine:
    """The real one."""
    from fairness_core import evaluation, models, presets, training

    return Engine(models.available_models, models.load_model, presets.load_presets, training.finetune,
                  evaluation.compare)
