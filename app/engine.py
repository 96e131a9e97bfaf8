"""What the app asks of the engine, as one value: tests hand in a quick double instead."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from fairness_core.events import Event
from fairness_core.results import Baseline, PromptComparison
from fairness_core.settings.prompt_length import PromptLength


@dataclass(frozen=True)
class Engine:
    """The engine's entry points. See fairness_core for their arguments; a model is opaque but for name and label.

    baselines: of evaluation.baseline, what words in the prompt do.
    find_model: the entry of a model outside the registry, by folder or hub id; None where visitors are strangers, who
    have no business with this machine's folders. adapter_notice: what people should know of an adapter's file before it
    is used with the model of that name, or "". prompt_length: what a prompt takes of what a model reads, or None where
    that is not known before the model is loaded. machine_speed: of this machine beside the one that presets were measured
    on, or None where that tells nothing. judges: who may judge pictures made elsewhere; audit: judges them, by paths, the
    judge's name, which faces count, where prompts come from, and whether to stop (see fairness_core.pictures).
    """

    available_models: Callable[[], list]
    load_model: Callable[[str], Any]
    load_presets: Callable[[], list]
    finetune: Callable[..., Iterator[Event]]
    compare: Callable[..., Iterator[PromptComparison]]
    baselines: Callable[..., Iterator[tuple[str, Baseline]]]
    lab: Callable[..., Iterator[Any]]
    find_model: Callable[[str], Any] | None = None
    adapter_notice: Callable[[str, Path], str] = lambda model, adapter: ""
    prompt_length: Callable[[str, str, int], PromptLength | None] = lambda model, prompt, reserved: None
    machine_speed: Callable[[], float | None] = lambda: 1.0
    judges: Callable[[], list] = lambda: []
    audit: Callable[..., Iterator[Any]] | None = None


def judges() -> list:
    from fairness_core.pictures import judge_entries
    return judge_entries.available_judges()


def audit(paths: Any, judge: str, *how: Any) -> Iterator[Any]:
    """The judge is loaded for each audit, and imported with the first: it is small beside the pictures."""
    from fairness_core.pictures import judges as loading
    from fairness_core.pictures import judging
    yield from judging.judge_pictures(paths, loading.load_judge(judge), *how)


def fairness_engine() -> Engine:
    """The real one. Models, training and evaluation are imported with the first job: the page need not wait for them."""
    from fairness_core.evaluation import originals
    from fairness_core.hardware import speed
    from fairness_core.models import registry, tokenizers
    from fairness_core.settings import presets

    def load_model(name: str, **named: Any) -> Any:
        from fairness_core.models import loading as models
        return models.load_model(name, **named)

    kept: dict[str, originals.Originals] = {}  # by model: another strength or adapter need not paint them again

    def finetune(*arguments: Any, **named: Any) -> Iterator[Event]:
        from fairness_core.training import finetune as training
        return training.finetune(*arguments, **named)

    def evaluation(module: str, name: str, model: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        paint = getattr(import_module(f"fairness_core.evaluation.{module}"), name)
        return paint(model, *arguments, **named, originals=kept.setdefault(model.name, originals.Originals()))
    compare, baselines = partial(evaluation, "compare", "compare"), partial(evaluation, "baseline", "baselines")

    def lab(model: Any, settings: Any, should_stop: Callable[[], bool]) -> Iterator[Any]:
        """The scale figure first: it is the quicker one."""
        from fairness_core.gradient_lab import measure as gradient_lab
        target = gradient_lab.paint_target(model, settings)
        yield from gradient_lab.compare_scales(model, settings, target, should_stop)
        yield from gradient_lab.compare_losses(model, settings, target, should_stop)

    def ready_settings() -> list:
        usable = registry.available_models()
        return [preset for kind in presets.KINDS for preset in registry.usable_presets(usable, kind)]

    def adapter_notice(model: str, adapter: Path) -> str:
        from fairness_core.adapters import files
        return files.adapter_notice(adapter, registry.entry_for(model))

    return Engine(registry.available_models, load_model, ready_settings, finetune, compare, baselines, lab,
                  registry.entry_for, adapter_notice, tokenizers.prompt_length, speed.machine_speed, judges, audit)
