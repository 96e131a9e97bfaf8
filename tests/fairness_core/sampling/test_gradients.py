"""Every gradient against plain autograd through the same sampling."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       HeunDiscreteScheduler, PNDMScheduler)
from helpers.fakes import tiny_scheduler
from helpers.gradients import (EVERY_PREDICTION, EVERY_SOLVER, STEPS, assert_same, build, by_accumulation, by_autograd,
                               loss_gradient, loss_of, peak_saved_bytes)
from torch import nn

from fairness_core.sampling.coefficients import (Coefficients, NonLinearSchedulerError, scheduler_coefficients,
                                                 step_weights)
from fairness_core.sampling.denoise import Conditioning, denoise, encode_prompts
from fairness_core.sampling.gradients import accumulate_gradients, choose_timesteps, every_pair


@EVERY_SOLVER
@EVERY_PREDICTION
def test_coefficients_reproduce_the_final_latents(solver, prediction, noise):
    scheduler = build(solver, prediction)
    outputs, calls = torch.randn(STEPS, *noise.shape), iter(range(STEPS))

    class Recorded(nn.Module):
        dtype, config = torch.float32, SimpleNamespace()

        def forward(self, model_input, timestep, encoder_hidden_states):
            return SimpleNamespace(sample=outputs[next(calls)])

    latents = denoise(Recorded(), scheduler, noise, Conditioning(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2), 1.0),
                      STEPS).latents
    found = scheduler_coefficients(scheduler, STEPS)
    expected = found.noise * noise + torch.einsum("t,tnchw->nchw", found.outputs.float(), outputs)
    torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-4)


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


@EVERY_SOLVER
def test_adjusted_weights_are_one_number(solver):
    coefficients = scheduler_coefficients(build(solver), 20)
    weights, used = step_weights(coefficients, "adjusted"), coefficients.outputs != 0
    size = coefficients.outputs[used].abs().log().mean().exp()
    torch.testing.assert_close(weights[used], (coefficients.outputs.sum().sign() * size).expand(used.sum()))
    assert (weights[~used] == 0).all()


def test_a_multistep_extrapolation_does_not_turn_a_step_round():
    """With few steps, DPM-Solver++ 2M gives its first output a tiny coefficient of the other sign."""
    coefficients = Coefficients(1.0, torch.tensor([0.006, -0.026, -0.5, -0.4], dtype=torch.float64))
    assert (step_weights(coefficients, "adjusted") < 0).all()


def test_a_step_that_does_not_reach_the_image_counts_zero():
    coefficients = scheduler_coefficients(build("ddim, last step idle"), STEPS)
    assert coefficients.outputs[-1] == 0 and (coefficients.outputs[:-1] != 0).all()


def test_no_weights_when_no_step_reaches_the_image():
    only_idle = scheduler_coefficients(build("ddim, last step idle"), 1)
    assert not only_idle.outputs.any()
    with pytest.raises(ValueError, match="more sampling steps"):
        step_weights(only_idle, "adjusted")
    with pytest.raises(ValueError, match="naive"):
        step_weights(only_idle, "naive")


def test_ddim_coefficients_are_the_papers_formula():
    """With r_t = sqrt(1 - abar_t) / sqrt(abar_t), DDIM adds r_next - r_t times the prediction to z / sqrt(abar)."""
    scheduler = build("ddim")
    scheduler.set_timesteps(STEPS)
    signal = torch.cat([scheduler.alphas_cumprod[scheduler.timesteps], torch.ones(1)]).double()
    ratio = ((1 - signal) / signal).sqrt()
    torch.testing.assert_close(scheduler_coefficients(scheduler, STEPS).outputs, ratio[1:] - ratio[:-1],
                               rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind, settings, message", [
    (DDPMScheduler, dict(clip_sample=False), "PosteriorMeanScheduler"),
    (EulerAncestralDiscreteScheduler, {}, "adds noise"),
    (DPMSolverMultistepScheduler, dict(algorithm_type="sde-dpmsolver++"), "adds noise"),
    (DDIMScheduler, {}, "clip_sample=False"),
    (DPMSolverMultistepScheduler, dict(thresholding=True), "thresholding=False"),
    (HeunDiscreteScheduler, {}, "9 times for 5 steps"),
    (PNDMScheduler, dict(skip_prk_steps=True), "6 times for 5 steps"),
])
def test_schedulers_that_are_not_linear_are_refused(kind, settings, message):
    state = torch.random.get_rng_state()
    with pytest.raises(NonLinearSchedulerError, match=message):
        scheduler_coefficients(tiny_scheduler(kind, **settings), STEPS)
    assert torch.equal(state, torch.random.get_rng_state())


def test_clipping_is_found_by_running_even_when_no_setting_tells():
    class Clipping(DDIMScheduler):
        def step(self, *args, **kwargs):
            return tuple(x.clamp(-50, 50) for x in super().step(*args, **kwargs))
    with pytest.raises(NonLinearSchedulerError, match="not linear"):
        scheduler_coefficients(tiny_scheduler(Clipping, clip_sample=False), STEPS)


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
