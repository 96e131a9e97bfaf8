"""What several commands share: settings, prompts, and stopping."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from fairness_core.adapters.files import adapter_notice
from fairness_core.models.loading import Model, ModelEntry, load_model
from fairness_core.models.registry import languages_of
from fairness_core.settings.config import ConfigError, FinetuneConfig, from_plain, to_plain
from fairness_core.settings.context import context_languages, context_prompts
from fairness_core.settings.presets import load_preset
from fairness_core.settings.prompts import is_held_out, load_concepts, parse_prompts, prompt_for
from fairness_core.settings.validation import parse_yaml, read_yaml

DONE, INTERRUPTED = 0, 130


def load_settings(path: Path, changes: Sequence[str] = ()) -> FinetuneConfig:
    """A preset's or a saved run's settings, with "name=value" changes. Raises ConfigError."""
    if not path.exists() or path.is_dir():  # standard input is a settings file, too
        raise ConfigError(f"There is no settings file {path}: give a preset of assets/presets or a run's config.yaml.")
    data = read_yaml(path)
    is_preset = isinstance(data, dict) and "config" in data
    return changed(load_preset(path).config if is_preset else from_plain(data), changes)


def changed(config: FinetuneConfig, changes: Sequence[str]) -> FinetuneConfig:
    """The settings with changes such as "steps=10", "losses.face=0.1" or "marginals.gender={female: .4, male: .6}".

    Values are YAML. Raises ConfigError for what is not "name=value" or not a setting.
    """
    plain = to_plain(config)
    for change in changes:
        name, equals, value = change.partition("=")
        *outer, last = name.split(".")
        place = plain
        for part in outer:
            place = place.get(part) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict):
            raise ConfigError(f"{change!r} changes no setting: write NAME=VALUE, for instance learning_rate=0.001.")
        place[last] = parse_yaml(value, f"The value of {name} cannot be read")
    return from_plain(plain)


def loaded(name: str, memory_changes: Sequence[str]) -> Model:
    """The model; how a GPU's memory is used is said on standard error. Raises ConfigError, or ModelError for the model."""
    model = load_model(name, memory_changes=memory_changes)
    if model.memory_told:
        print(model.memory_told, file=sys.stderr, flush=True)
    return model


def chosen_prompts(words: Sequence[str], config: FinetuneConfig) -> list[str]:
    """Prompts named by "trained", "held-out", "context" (in the languages that the model reads, "context-fr" in that one) or
    "all" (but for context), or written out; each once. Raises ConfigError for none."""
    held_out = [prompt for prompt in map(prompt_for, load_concepts().held_out) if is_held_out(prompt, config.prompts)]
    named = {"trained": list(config.prompts), "held-out": held_out, "all": [*config.prompts, *held_out]}
    named |= {f"context-{code}": list(context_prompts([code], config.prompts)) for code in context_languages()}
    named["context"] = list(context_prompts(languages_of(config.model), config.prompts))
    prompts = list(dict.fromkeys(p for word in words for p in named.get(word, parse_prompts(word))))
    if not prompts:
        raise ConfigError(f"There are no prompts in {', '.join(words)}: choose trained, held-out, context or all, or write one.")
    return prompts


def ready_folder(path: Path) -> None:
    """Makes the folder of the results, before time is spent on them. Raises OSError when it cannot be written."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # the folder's name, not the trial file's


def tell_of_adapter(adapter: Path | None, model: ModelEntry) -> None:
    """Says on standard error that an adapter was made for another model. Raises AdapterError for another file."""
    if adapter and (notice := adapter_notice(adapter, model)):
        print(notice, file=sys.stderr, flush=True)


@contextmanager
def stoppable(kept: str) -> Iterator[Callable[[], bool]]:
    """A should_stop() that becomes true with Ctrl-C or SIGTERM; a second one ends at once. kept: what is told then."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        print(f"Stopping: {kept}", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
