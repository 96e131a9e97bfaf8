"""Every gradient against plain autograd through the same sampling."""

import itertools

import pytest
import torch
from helpers.gradients import (EVERY_PREDICTION, EVERY_SOLVER, STEPS, assert_same, build, by_accumulation, by_autograd,
                               loss_gradient, loss_of, peak_saved_bytes)

from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.denoise import Conditioning, denoise, encode_prompts
from fairness_core.sampling.gradients import accumulate_gradients, choose_timesteps, every_pair


@EVERY_SOLVER
@EVERY_PREDICTION
@pytest.mark.parametrize("mode", ["unscaled", "adjusted"])
def test_accumulated_gradients_are_those_of_autograd(solver, prediction, mode, pipeline, noise, conditioning):
    scheduler = build(solver, prediction)
    coefficients = scheduler_coefficients(scheduler, STEPS)
    weights = step_weights(coefficients, mode)
    factors = [float(w / k) if k else 0.0 for w, k in zip(weights, coefficients.outputs)]
    assert_same(by_accumulation(pipeline.unet, scheduler, noise, conditioning, mode),
                by_autograd(pipeline.unet, scheduler, noise, conditioning, factors))


def test_naive_differs_from_both(pipeline, noise, conditioning):
    scheduler = build("dpm-solver++ 2")
    naive = by_autograd(pipeline.unet, scheduler, noise, conditioning, [1.0] * STEPS, detach_inputs=False)[0]
    for mode in ("unscaled", "adjusted"):
        other = by_accumulation(pipeline.unet, scheduler, noise, conditioning, mode)[0]
        assert (naive - other).norm() > 1e-2 * naive.norm()


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_batching_does_not_change_the_gradient(batch, pipeline, noise, conditioning):
    scheduler = build("dpm-solver++ 2")
    expected = by_accumulation(pipeline.unet, scheduler, noise, conditioning, "adjusted", batch=3)
    assert_same(by_accumulation(pipeline.unet, scheduler, noise, conditioning, "adjusted", batch=batch), expected)


def test_the_average_over_starts_is_the_whole_gradient(pipeline, noise, conditioning):
    scheduler, unet, wanted = build("dpm-solver++ 2"), pipeline.unet, 2
    generator = torch.Generator().manual_seed(0)
    subsets = {tuple(choose_timesteps(STEPS, wanted, generator)[0]) for _ in range(200)}
    sums = [by_accumulation(unet, scheduler, noise, conditioning, "adjusted", chosen=s, scale=STEPS / wanted)
            for s in sorted(subsets)]
    assert len(subsets) == STEPS
    assert_same([torch.stack(parts).mean(0) for parts in zip(*sums)],
                by_accumulation(unet, scheduler, noise, conditioning, "adjusted"))


@pytest.mark.parametrize("total, wanted", [(10, 3), (20, 7), (5, 5), (5, 1)])
def test_every_timestep_is_chosen_equally_often(total, wanted):
    generator, draws = torch.Generator().manual_seed(1), 4000
    counts = torch.zeros(total)
    for _ in range(draws):
        chosen, scale = choose_timesteps(total, wanted, generator)
        assert len(set(chosen)) == wanted and scale == total / wanted
        assert all(b - a <= total // wanted + 1 for a, b in itertools.pairwise(chosen))
        counts[chosen] += 1
    assert (counts / draws - wanted / total).abs().max() < 0.04


def test_zero_wanted_means_all_and_too_many_is_an_error():
    assert choose_timesteps(4, 0) == ([0, 1, 2, 3], 1.0)
    with pytest.raises(ValueError, match="Cannot choose 5 of 4"):
        choose_timesteps(4, 5)


@pytest.mark.parametrize("per_image", [False, True])
def test_without_guidance_and_with_one_prompt_an_image(per_image, pipeline, noise):
    with torch.no_grad():
        embeddings = encode_prompts(pipeline.tokenizer, pipeline.text_encoder, ["a nurse", "a judge", "a chef", ""])
    conditional = embeddings[:3] if per_image else embeddings[:1]
    for guidance in (1.0, 3.0):
        conditioning = Conditioning(conditional, embeddings[3:], guidance)
        found = by_accumulation(pipeline.unet, build("ddim"), noise, conditioning, "unscaled")
        if guidance == 1:
            assert not found[1].any()
            continue
        assert_same(found, by_autograd(pipeline.unet, build("ddim"), noise, conditioning, [1.0] * STEPS))


def test_a_constant_unconditional_branch(pipeline, noise, conditioning):
    """As autograd through an unconditional prediction that is detached."""
    scheduler = build("ddim")
    full = by_accumulation(pipeline.unet, scheduler, noise, conditioning, "unscaled")
    half = by_accumulation(pipeline.unet, scheduler, noise, conditioning, "unscaled", unconditional_gradient=False)
    assert_same(half[:1], full[:1])
    assert not half[1].any() and full[1].any()


def test_the_gradient_goes_on_through_the_text_encoder(pipeline, noise):
    """Text-encoder weights get what autograd through everything gives, both prompts counted."""
    encoder, scheduler = pipeline.text_encoder, build("dpm-solver++ 2")
    pipeline.unet.requires_grad_(False)
    weights = [encoder.get_parameter(n) for n, _ in encoder.named_parameters() if "q_proj.weight" in n]

    def condition() -> Conditioning:
        embeddings = encode_prompts(pipeline.tokenizer, encoder, ["a nurse", ""])
        return Conditioning(embeddings[:1], embeddings[1:], 3.0)

    latents = denoise(pipeline.unet, scheduler, noise, condition(), STEPS, detach_inputs=True).latents
    expected = torch.autograd.grad(loss_of(latents), weights)
    with torch.no_grad():
        trajectory = denoise(pipeline.unet, scheduler, noise, condition(), STEPS)
    coefficients, conditioning = scheduler_coefficients(scheduler, STEPS), condition()
    accumulate_gradients(pipeline.unet, trajectory, conditioning, loss_gradient(trajectory.latents),
                         step_weights(coefficients, "unscaled"), every_pair(range(STEPS), range(len(noise))), 1.0,
                         4).backward(conditioning)
    assert_same([w.grad for w in weights], list(expected))


def test_memory_does_not_grow_with_the_steps(pipeline, noise, conditioning):
    """The U-Net's attention learns here, too."""
    def peak(steps: int) -> int:
        return peak_saved_bytes(lambda: by_accumulation(
            pipeline.unet, build("ddim"), noise, conditioning, "adjusted", steps=steps, batch=3))
    assert 0 < peak(40) <= 1.01 * peak(10)


def test_no_chosen_step_and_an_empty_batch(pipeline, noise, conditioning):
    found = by_accumulation(pipeline.unet, build("ddim"), noise, conditioning, "adjusted", chosen=[])
    assert not found[0].any() and len(found) == 2
    with pytest.raises(ValueError, match="at least 1"):
        by_accumulation(pipeline.unet, build("ddim"), noise, conditioning, "adjusted", batch=0)


def test_under_autocast_the_gradient_is_close(pipeline, noise, conditioning):
    exact = by_accumulation(pipeline.unet, build("dpm-solver++ 2"), noise, conditioning, "adjusted")
    with torch.autocast("cpu", torch.bfloat16):
        rounded = by_accumulation(pipeline.unet, build("dpm-solver++ 2"), noise, conditioning, "adjusted")
    assert_same(rounded, exact, relative=0.15)
