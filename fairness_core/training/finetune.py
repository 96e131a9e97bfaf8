"""finetune(): prompts -> noise -> latents -> images -> losses -> adjusted gradient -> adapter, as events."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fairness_core.adapters.attach import adapter_strength, detach_adapter, save_adapter
from fairness_core.adapters.files import saved_adapter
from fairness_core.events import Event, FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.hardware.memory import advice
from fairness_core.models.loading import Model
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import decode_in_parts, denoise_in_parts, draw_noise, to_uint8
from fairness_core.sampling.gradients import accumulate_gradients, choose_timesteps
from fairness_core.settings.attributes import Attributes
from fairness_core.settings.config import ConfigError, FinetuneConfig
from fairness_core.training.checkpoints import load_checkpoint, save_checkpoint
from fairness_core.training.objective import Judgement, Reference, judge, look_at_originals
from fairness_core.training.start import Run, check_continues, prepare, start, write_settings
from fairness_core.training.step_plan import kept_prompts_of_step, prompts_of_step, rate_at

FIRST_TRAINING_NUMBER = 1_000_000  # training noises are never those of the pictures people compare
FILM_IMAGES = 6
IMAGES_PER_BATCH = 16  # (step, image) pairs of the backward pass: fewer take less memory and more time


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
    yield Started(run.step, config.steps)
    while run.step < config.steps and not run.share.any(should_stop()):
        yield take_step(run)
        if run.step % config.film_strip_every == 0 or run.step == config.steps:
            yield film_strip(run)
        if run.step % config.checkpoint_every == 0 or run.share.any(should_save()):
            yield Saved(run.step, save(run, folder))
    reason = "completed" if run.step >= config.steps else "stopped"
    yield Finished(run.step, reason, save(run, folder))


def take_step(run: Run) -> StepDone:
    """One update: every prompt of the step adds its gradient, then the adapter moves once.

    A prompt drawn several times is judged on all its images together: a distribution shows better in more of them.
    What is told is about the prompts that follow the target, not about the kept one.
    """
    started, run.original_seconds = time.monotonic(), 0.0
    config = run.config
    prompts, kept = prompts_of_step(config, run.step), kept_prompts_of_step(config, run.step)
    drawn = Counter(prompts)
    judgements = [judged for i, (prompt, times) in enumerate(drawn.items())
                  if (judged := add_gradient(run, prompt, i, times * config.images_per_prompt))]
    skipped = "" if judgements else "no face was found in any image"
    if judgements:
        for i, prompt in enumerate(kept, len(drawn)):
            add_gradient(run, prompt, i, config.images_per_prompt)
        skipped = move(run, len(drawn) + len(kept))
    run.optimizer.zero_grad(set_to_none=True)
    run.step += 1
    return StepDone(run.step, config.steps, time.monotonic() - started, prompts[0],
                    mean_of([j.losses for j in judgements]), mean_of([j.distance for j in judgements]),
                    config.images_per_prompt * len(prompts), sum(j.faces_found for j in judgements), skipped,
                    run.original_seconds)


def move(run: Run, prompts: int) -> str:
    """Moves the adapter by .grad, the sum over the prompts: their mean, clipped. Returns why not where it cannot."""
    config = run.config
    reached = [p for p in run.parameters if p.grad is not None]  # of SDXL's first encoder, not the last layer
    run.share.sum_gradients(reached)
    for parameter in reached:
        parameter.grad /= prompts
    run.scaler.unscale_(run.optimizer)
    norm = nn.utils.clip_grad_norm_(run.parameters, config.max_grad_norm)
    is_finite = torch.isfinite(norm)
    if is_finite:
        for group in run.optimizer.param_groups:
            group["lr"] = rate_at(config, run.step)
        run.scaler.step(run.optimizer)
        run.average.update(run.parameters)
    run.scaler.update()
    return "" if is_finite else "the gradient was not finite"


def add_gradient(run: Run, prompt: str, index: int, images: int) -> Judgement | None:
    """Samples this process's images of a prompt with the adapter; their losses' gradient accumulates in .grad.

    index: of the prompt in the step; images: of all processes.
    """
    model, config = run.model, run.config
    rng = np.random.default_rng([config.seed, run.step, index])
    batch = int(rng.integers(config.noise_batches)) if config.noise_batches else run.step
    first = FIRST_TRAINING_NUMBER + batch * config.images_per_prompt * config.prompts_per_step  # as many as can be drawn
    numbers = range(first, first + images)[run.share.own(images)]
    noise = draw_noise(prompt, numbers, config.seed, model.latent_shape).to(model.device)
    with model.autocast():
        if (prompt, numbers) not in run.originals:
            before = time.monotonic()
            run.originals[prompt, numbers] = paint_originals(run, prompt, noise)
            run.original_seconds += time.monotonic() - before
        # without a finite bank of noises, no step meets these again
        reference = run.originals[prompt, numbers] if config.noise_batches else run.originals.pop((prompt, numbers))
        conditioning = condition(model, prompt, config.guidance_scale)
        naive = config.gradient == "naive"
        with torch.set_grad_enabled(naive):
            trajectory = denoise_in_parts(model.unet, model.scheduler, noise, conditioning, config.sampling_steps,
                                          model.memory.images_at_once)
        judged = judge(model.critics, model.vae, trajectory.latents, reference, run.targets[prompt], config.losses, rng,
                       run.share, run.scaler.scale)
        if judged is None:
            return None
        if naive:
            trajectory.latents.backward(judged.latents_gradient)
            return judged
        chosen, scale = choose_timesteps(config.sampling_steps, config.timesteps_per_update,
                                         torch.Generator().manual_seed(int(rng.integers(2**31))))
        gradient = accumulate_gradients(
            model.unet, trajectory, conditioning, judged.latents_gradient, run.step_weights, chosen, scale,
            model.memory.images_at_once or IMAGES_PER_BATCH, config.unconditional_gradient)
        gradient.backward(conditioning)
    return judged


@torch.no_grad()
def paint_originals(run: Run, prompt: str, noise: Tensor) -> Reference:
    """What the frozen model paints from these noises, as the losses will ask for it."""
    model, config = run.model, run.config
    with adapter_strength(model, 0.0):
        conditioning = condition(model, prompt, config.guidance_scale)
        latents = denoise_in_parts(model.unet, model.scheduler, noise, conditioning, config.sampling_steps,
                                   model.memory.images_at_once).latents
    return look_at_originals(model.critics, decode_in_parts(model.vae, latents))


@torch.no_grad()
def film_strip(run: Run) -> FilmStrip:
    """The same few noises of the first prompt, painted by the averaged adapter."""
    model, config, prompt = run.model, run.config, run.config.prompts[0]
    noise = draw_noise(prompt, range(FILM_IMAGES), config.seed, model.latent_shape).to(model.device)
    with run.average.applied(run.parameters), model.autocast():
        conditioning = condition(model, prompt, config.guidance_scale)
        latents = denoise_in_parts(model.unet, model.scheduler, noise, conditioning, config.steps_shown,
                                   model.memory.images_at_once).latents
        return FilmStrip(run.step, prompt, to_uint8(decode_in_parts(model.vae, latents)))


def save(run: Run, folder: Path) -> Path:
    """Checkpoint first, then the averaged adapter, by the main process; returns the adapter's file."""
    if not run.share.is_main:
        return saved_adapter(folder / "adapter")
    if not (folder / "config.yaml").exists():  # somebody deleted the folder while its run goes on
        write_settings(folder, run.config)
    save_checkpoint(folder, run.step, run.parameters, run.optimizer, run.average, run.scaler)
    with run.average.applied(run.parameters):
        return save_adapter(run.model, folder / "adapter")


def mean_of(records: list[dict[str, float]]) -> dict[str, float]:
    return {key: sum(r[key] for r in records) / len(records) for key in records[0]} if records else {}
