"""One step of a finetune: all its prompts' images are one batch from noise to gradient, then the adapter moves once."""

import time
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from fairness_core.adapters.attach import adapter_strength
from fairness_core.events import StepDone
from fairness_core.hardware.recorded import RECORDERS
from fairness_core.hardware.waiting import may_wait, to_device
from fairness_core.sampling.conditioning import condition_all
from fairness_core.sampling.denoise import DENOISED_AT_ONCE, Trajectory, decode_in_parts, denoise_in_parts, draw_noise
from fairness_core.sampling.gradients import (ConditioningGradient, accumulate_gradients, choose_timesteps, every_pair,
                                              naive_gradients)
from fairness_core.sampling.kept_graphs import KeptGraphs
from fairness_core.sampling.steering import Conditioning
from fairness_core.training.asking import Group
from fairness_core.training.objective import Judgement, Reference, judge, look_at_originals, tell
from fairness_core.training.start import Run
from fairness_core.training.step_plan import kept_prompts_of_step, prompts_of_step, rate_at

FIRST_TRAINING_NUMBER = 1_000_000  # training noises are never those of the pictures people compare
IMAGES_PER_BATCH = 28  # (step, image) pairs of the backward pass: fewer take less memory and more time
GRAPHS_GB = 1.5  # of the computer's memory, that graphs may take from sampling until the gradient is known


@dataclass(frozen=True)
class Batch:
    """A step's images, prompt by prompt, kept prompts last.

    prompts, groups: one entry a prompt; numbers: of this process's images of it; noise: [n, c, h, w] of all of them.
    """

    prompts: tuple[str, ...]
    groups: tuple[Group, ...]
    numbers: tuple[range, ...]
    noise: Tensor

    @property
    def rows(self) -> list[slice]:
        """Each prompt's images in the batch."""
        ends = np.cumsum([0, *map(len, self.numbers)]).tolist()
        return [slice(first, last) for first, last in zip(ends, ends[1:])]


@dataclass(frozen=True)
class Chosen:
    """The (step, image) pairs that carry the gradient, how much each counts, and their graphs where those are kept."""

    pairs: list[tuple[int, int]]
    scale: float
    graphs: KeptGraphs | None


def take_step(run: Run) -> StepDone:
    """One update: every prompt of the step adds its gradient, then the adapter moves once.

    A prompt drawn several times is judged on all its images together: a distribution shows better in more of them.
    What is told is about the prompts that follow the target, not about the kept one.
    """
    started, run.original_seconds = time.monotonic(), 0.0
    batch = batch_of_step(run)
    judgement = add_gradients(run, batch)
    skipped = move(run, len(batch.prompts)) if is_useful(judgement, batch) else "no face was found in any image"
    run.optimizer.zero_grad(set_to_none=True)
    run.step += 1
    told = [t for t, group in zip(tell(judgement, batch.groups, run.share), batch.groups) if t and group.target]
    images = sum(group.total for group in batch.groups if group.target)
    return StepDone(run.step, run.config.steps, time.monotonic() - started,
                    prompts_of_step(run.config, run.step - 1)[0], mean_of([t.losses for t in told]),
                    mean_of([t.distance for t in told]), images, sum(t.faces_found for t in told), skipped,
                    run.original_seconds, sum_of([t.seen for t in told]), sum_of([t.seen_before for t in told]))


def batch_of_step(run: Run) -> Batch:
    """The prompts of this step with their noises: functions of seed, step, prompt and its place in the step."""
    config, share = run.config, run.share
    drawn = Counter(prompts_of_step(config, run.step))
    images = {prompt: times * config.images_per_prompt for prompt, times in drawn.items()}
    images |= dict.fromkeys(kept_prompts_of_step(config, run.step), config.images_per_prompt)
    groups, numbers, noises = [], [], []
    for index, (prompt, total) in enumerate(images.items()):
        rng = np.random.default_rng([config.seed, run.step, index])
        batch = int(rng.integers(config.noise_batches)) if config.noise_batches else run.step
        most = config.images_per_prompt * config.prompts_per_step  # as many as can be drawn
        first = FIRST_TRAINING_NUMBER + batch * most
        numbers.append(range(first, first + total)[share.own(total)])
        noises.append(draw_noise(prompt, numbers[-1], config.seed, run.model.latent_shape))
        groups.append(Group(run.targets[prompt], total, rng))
    return Batch(tuple(images), tuple(groups), tuple(numbers), to_device(torch.cat(noises), run.model.device))


def add_gradients(run: Run, batch: Batch) -> Judgement:
    """Samples this process's images with the adapter; their losses' gradient accumulates in .grad, prompt to prompt.

    Nothing is added where no image of a prompt that follows the target shows a face.
    """
    model, config = run.model, run.config
    with model.autocast():
        reference = originals_of(run, batch)
        conditioning = condition_batch(run, batch)
        chosen = choose_pairs(run, batch, conditioning)
        with torch.no_grad():
            trajectory = denoise_in_parts(model.denoiser, model.scheduler, batch.noise, conditioning, config.sampling_steps,
                                          model.memory.images_at_once, chosen.graphs and chosen.graphs.predict)
        judgement = judge(model.critics, model.vae, trajectory.latents, reference, batch.groups, config.losses,
                          run.share, run.scaler.scale)
        if is_useful(judgement, batch):
            gradient_at_prompts(run, batch, conditioning, trajectory, judgement, chosen).backward(conditioning)
    return judgement


def condition_batch(run: Run, batch: Batch) -> Conditioning:
    """All prompts through the text encoder at once; each image knows its own."""
    counts = [len(numbers) for numbers in batch.numbers]
    prompt_of = to_device(torch.tensor([i for i, count in enumerate(counts) for _ in range(count)]), run.model.device)
    return replace(condition_all(run.model, batch.prompts, run.config.guidance_trained), prompt_of=prompt_of)


def choose_pairs(run: Run, batch: Batch, conditioning: Conditioning) -> Chosen:
    """Each prompt's own timesteps, before the sampling, which keeps the graphs of their predictions where they are small."""
    model, config = run.model, run.config
    pairs, scale = [], 1.0
    if config.gradient == "naive":
        return Chosen(pairs, scale, None)
    reaching = run.step_weights.numpy()
    for group, rows in zip(batch.groups, batch.rows):
        generator = torch.Generator().manual_seed(int(group.rng.integers(2**31)))
        chosen, scale = choose_timesteps(config.sampling_steps, config.timesteps_per_update, generator)
        pairs += every_pair([step for step in chosen if reaching[step]], range(rows.start, rows.stop))
    return Chosen(pairs, scale, KeptGraphs(model.denoiser, conditioning, pairs) if keeps_graphs(run, len(pairs)) else None)


def keeps_graphs(run: Run, pairs: int) -> bool:
    """Whether so many (step, image) pairs keep their graphs. Not on a GPU, where the sampler's steps are recorded."""
    model = run.model
    return (model.device.type == "cpu" and not model.memory.images_at_once and run.config.unconditional_gradient
            and pairs * model.graph_gb <= GRAPHS_GB)


def gradient_at_prompts(run: Run, batch: Batch, conditioning: Conditioning, trajectory: Trajectory,
                        judgement: Judgement, chosen: Chosen) -> ConditioningGradient:
    """Through the denoiser, whose own adapter collects its part; (step, image) pairs of all prompts share the batches."""
    model, config = run.model, run.config
    if config.gradient == "naive":
        return naive_gradients(model.denoiser, model.scheduler, batch.noise, conditioning, judgement.latents_gradient,
                               config.sampling_steps, model.memory.images_at_once or DENOISED_AT_ONCE)
    if chosen.graphs:
        return chosen.graphs.backward(judgement.latents_gradient, run.step_weights, chosen.scale)
    is_recorded = not model.memory.images_at_once
    return accumulate_gradients(model.denoiser, trajectory, conditioning, judgement.latents_gradient, run.step_weights,
                                chosen.pairs, chosen.scale, model.memory.images_at_once or IMAGES_PER_BATCH,
                                config.unconditional_gradient, is_recorded)


def is_useful(judgement: Judgement, batch: Batch) -> bool:
    """Whether a prompt that follows the target shows a face."""
    return any(asked is not None for asked, group in zip(judgement.asked, batch.groups) if group.target)


def move(run: Run, prompts: int) -> str:
    """Moves the adapter by .grad, the sum over the prompts: their mean, clipped. Returns why not where it cannot."""
    config = run.config
    reached = [p for p in run.parameters if p.grad is not None]  # of SDXL's first encoder, not the last layer
    run.share.sum_gradients(reached)
    torch._foreach_div_([p.grad for p in reached], prompts)
    run.scaler.unscale_(run.optimizer)
    norm = nn.utils.clip_grad_norm_(run.parameters, config.max_grad_norm, foreach=True)
    with may_wait():
        is_finite = bool(torch.isfinite(norm))
    if is_finite:
        for group in run.optimizer.param_groups:
            group["lr"] = rate_at(config, run.step)
        with may_wait():  # in float16 it looks for infinite numbers
            run.scaler.step(run.optimizer)
        run.average.update(run.parameters)
    run.scaler.update()
    return "" if is_finite else "the gradient was not finite"


def originals_of(run: Run, batch: Batch) -> Reference:
    """What the frozen model paints from the batch's noises, as the losses will ask for it: new ones painted together.

    Without a finite bank of noises, no step meets these again, and they are not kept.
    """
    keys = list(zip(batch.prompts, batch.numbers))
    new = [i for i, key in enumerate(keys) if key not in run.originals]
    if new and run.model.device.type in RECORDERS:  # where a batch of another size takes longer than one of all
        new = list(range(len(keys)))
    known = {i: run.originals[key] for i, key in enumerate(keys) if key in run.originals}
    if new:
        before = time.monotonic()
        known |= paint_originals(run, batch, new)
        run.original_seconds += time.monotonic() - before
    if run.config.noise_batches:
        run.originals |= {keys[i]: known[i] for i in new}
    return Reference.joined([known[i] for i in range(len(keys))])


@torch.no_grad()
def paint_originals(run: Run, batch: Batch, new: list[int]) -> dict[int, Reference]:
    """The originals of some of the batch's prompts, in one batch of their own, by the prompts' places."""
    model, config = run.model, run.config
    part = Batch(*(tuple(values[i] for i in new) for values in (batch.prompts, batch.groups, batch.numbers)),
                 torch.cat([batch.noise[batch.rows[i]] for i in new]))
    with adapter_strength(model, 0.0):
        latents = denoise_in_parts(model.denoiser, model.scheduler, part.noise, condition_batch(run, part),
                                   config.sampling_steps, model.memory.images_at_once).latents
    seen = look_at_originals(model.critics, decode_in_parts(model.vae, latents))
    return {i: seen.rows(rows) for i, rows in zip(new, part.rows)}


def sum_of(records: list[dict[str, np.ndarray]]) -> dict[str, list[int]]:
    return {key: sum(r[key] for r in records).tolist() for key in records[0]} if records else {}


def mean_of(records: list[dict[str, float]]) -> dict[str, float]:
    return {key: sum(r[key] for r in records) / len(records) for key in records[0]} if records else {}
