"""finetune(): prompts -> noise -> latents -> images -> losses -> adjusted gradient -> adapter, as events."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from fairness_core.adapters.attach import detach_adapter, save_adapter
from fairness_core.adapters.files import saved_adapter
from fairness_core.events import Event, Finished, Saved, Started
from fairness_core.hardware.memory import advice
from fairness_core.models.loading import Model
from fairness_core.settings.attributes import Attributes
from fairness_core.settings.config import ConfigError, FinetuneConfig
from fairness_core.training.checkpoints import load_checkpoint, save_checkpoint
from fairness_core.training.film import film_strips
from fairness_core.training.start import Run, check_continues, prepare, start, write_settings
from fairness_core.training.step import take_step


def finetune(model: Model, config: FinetuneConfig, folder: Path, should_stop: Callable[[], bool] = lambda: False,
             resume: bool = False, should_save: Callable[[], bool] = lambda: False,
             attributes: Attributes | None = None) -> Iterator[Event]:
    """Tunes `model` towards the config's target and yields events; the caller owns progress and display.

    Writes folder/config.yaml, folder/checkpoint.safetensors and folder/adapter/. Stops within one step once
    `should_stop()` is true and keeps what was learned. `resume` continues from the folder's checkpoint, exactly
    as if it had not been interrupted. `should_save` asks for a save after the current step. The model is left as it
    was loaded, without adapter. attributes: those the target is about, where they are not the app's own.
    Raises ConfigError, TargetError, PromptError or CheckpointError before the first event when the settings or the
    checkpoint cannot be used; OSError when the disk is full, which leaves what was saved before intact.
    Under `accelerate launch` every process calls this with the same arguments: they share each prompt's images, and
    the main one alone yields events and writes files.
    """
    run = start(model, config, attributes)
    try:
        for event in advance(run, folder, should_stop, resume, should_save):
            if run.share.is_main:
                yield event
    except torch.OutOfMemoryError:
        raise ConfigError(advice(model.label)) from None
    finally:
        detach_adapter(model)


def advance(run: Run, folder: Path, should_stop: Callable[[], bool], resume: bool,
            should_save: Callable[[], bool]) -> Iterator[Event]:
    """The steps of a started run, with their events; only the main process writes files."""
    config = run.config
    run.share.wait()  # the others may still look for a run in this folder
    if resume:
        check_continues(folder, config)
        run.step = load_checkpoint(folder, run.parameters, run.optimizer, run.average, run.scaler)
    if run.share.is_main:
        prepare(folder, config, resume)
    yield Started(run.step, config.steps, run.model.memory_told)
    if not run.step:
        yield from film_strips(run)
    while run.step < config.steps and not run.share.any(should_stop()):
        yield take_step(run)
        if run.step % config.film_strip_every == 0 or run.step == config.steps:
            yield from film_strips(run)
        if run.step % config.checkpoint_every == 0 or run.share.any(should_save()):
            yield Saved(run.step, save(run, folder))
    reason = "completed" if run.step >= config.steps else "stopped"
    yield Finished(run.step, reason, save(run, folder))


def save(run: Run, folder: Path) -> Path:
    """Checkpoint first, then the averaged adapter, by the main process; returns the adapter's file."""
    if not run.share.is_main:
        return saved_adapter(folder / "adapter")
    if not (folder / "config.yaml").exists():  # somebody deleted the folder while its run goes on
        write_settings(folder, run.config)
    save_checkpoint(folder, run.step, run.parameters, run.optimizer, run.average, run.scaler)
    with run.average.applied(run.parameters):
        return save_adapter(run.model, folder / "adapter")
