"""Every gradient against plain autograd through the same sampling."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       EulerDiscreteScheduler, HeunDiscreteScheduler, PNDMScheduler, UniPCMultistepScheduler)
from fakes import tiny_scheduler
from torch import Tensor, nn

from fairness_core.adapters import attach_adapter
from fairness_core.conditioning import condition
from fairness_core.gradients import (Coefficients, NonLinearSchedulerError, accumulate_gradients, choose_timesteps,
                                     scheduler_coefficients, step_weights)
from fairness_core.sampling import Conditioning, PosteriorMeanScheduler, denoise, encode_prompts

STEPS = 5
SOLVERS = {
    "ddim": dict(kind=DDIMScheduler, clip_sample=False),
    "ddim, last step idle": dict(kind=DDIMScheduler, clip_sample=False, timestep_spacing="leading", steps_offset=0,
                                 set_alpha_to_one=False),
    "euler": dict(kind=EulerDiscreteScheduler),
    "dpm-solver++ 1": dict(kind=DPMSolverMultistepScheduler, solver_order=1),
    "dpm-solver++ 2": dict(kind=DPMSolverMultistepScheduler, solver_order=2),
    "ddpm mean": dict(kind=PosteriorMeanScheduler, clip_sample=False),
    "unipc": dict(kind=UniPCMultistepScheduler),
}
EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS)
EVERY_PREDICTION = pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])


def build(solver: str, prediction: str = "epsilon"):
    return tiny_scheduler(**SOLVERS[solver], prediction_type=prediction)


class Weighing(nn.Module):
    """A U-Net whose output's gradient is multiplied by another factor at each call."""

    def __init__(self, unet: nn.Module, factors: list[float]):
        super().__init__()
        self.unet, self.factors, self.dtype, self.config = unet, iter(factors), unet.dtype, unet.config

    def forward(self, *args, **kwargs):
        output, factor = self.unet(*args, **kwargs).sample, next(self.factors)
        output.register_hook(lambda gradient: gradient * factor)
        return SimpleNamespace(sample=output)


def loss_of(latents: Tensor) -> Tensor:
    """A loss that differs between images and pixels."""
    pattern = torch.linspace(-1, 2, latents.numel()).view_as(latents)
    return (torch.tanh(0.1 * latents) * pattern).sum()


def loss_gradient(latents: Tensor) -> Tensor:
    latents = latents.detach().requires_grad_()
    return torch.autograd.grad(loss_of(latents), latents)[0]


def trainable(unet: nn.Module) -> list[Tensor]:
    """Only attention learns, as with U-Net LoRA."""
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_("to_" in name)
    return [p for p in unet.parameters() if p.requires_grad]


def by_autograd(unet, scheduler, noise, conditioning, factors, detach_inputs=True) -> list[Tensor]:
    """[conditional, unconditional, U-Net weights...] gradients by backward through the whole sampling."""
    embeddings = [conditioning.conditional.clone().requires_grad_(), conditioning.unconditional.clone().requires_grad_()]
    weights = trainable(unet)
    latents = denoise(Weighing(unet, factors), scheduler, noise, Conditioning(*embeddings, conditioning.guidance_scale),
                      len(factors), detach_inputs=detach_inputs).latents
    return list(torch.autograd.grad(loss_of(latents), embeddings + weights))


def by_accumulation(unet, scheduler, noise, conditioning, mode, steps=STEPS, chosen=None, scale=1.0, batch=4,
                    **options) -> list[Tensor]:
    weights = trainable(unet)
    unet.zero_grad()
    with torch.no_grad():
        trajectory = denoise(unet, scheduler, noise, conditioning, steps)
    found = accumulate_gradients(
        unet, trajectory, conditioning, loss_gradient(trajectory.latents),
        step_weights(scheduler_coefficients(scheduler, steps), mode), range(steps) if chosen is None else chosen,
        scale, batch, **options)
    return [found.conditional, found.unconditional] + [w.grad.clone() for w in weights if w.grad is not None]


def assert_same(found: list[Tensor], expected: list[Tensor], relative: float = 1e-4) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert a.shape == b.shape and (a - b).norm() <= relative * b.norm() + 1e-9, float((a - b).norm() / b.norm())


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
                         step_weights(coefficients, "unscaled"), range(STEPS), 1.0, 4).backward(conditioning)
    assert_same([w.grad for w in weights], list(expected))


# ---------------------------------------------------------------- every kind of adapter

EVERY_KIND = pytest.mark.parametrize("kind", ["text_encoder", "unet", "both", "tokens"])


def tuned(pipeline, kind: str) -> list[Tensor]:
    """An adapter away from its start (where half of LoRA's gradients are zero), everything else frozen."""
    pipeline.unet.requires_grad_(False)
    pipeline.text_encoder.requires_grad_(False)
    parameters = attach_adapter(pipeline, kind, rank=2, alpha=3, targets=("attention", "mlp"), soft_tokens=3, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return parameters


def adapter_gradient(pipeline, parameters, scheduler, noise, mode, chosen=range(STEPS), scale=1.0) -> list[Tensor]:
    """As a training step collects it."""
    conditioning = condition(pipeline, "a nurse", 3.0)
    with torch.no_grad():
        trajectory = denoise(pipeline.unet, scheduler, noise, conditioning, STEPS)
    weights = step_weights(scheduler_coefficients(scheduler, STEPS), mode)
    accumulate_gradients(pipeline.unet, trajectory, conditioning, loss_gradient(trajectory.latents), weights, chosen,
                         scale, 4).backward(conditioning)
    found = [p.grad.clone() for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return found


@EVERY_KIND
@pytest.mark.parametrize("mode", ["adjusted", "unscaled"])
def test_an_adapters_gradient_is_that_of_autograd(kind, mode, pipeline, noise):
    scheduler, parameters = build("dpm-solver++ 2"), tuned(pipeline, kind)
    coefficients = scheduler_coefficients(scheduler, STEPS)
    factors = (step_weights(coefficients, mode) / coefficients.outputs).tolist()
    latents = denoise(Weighing(pipeline.unet, factors), scheduler, noise, condition(pipeline, "a nurse", 3.0), STEPS,
                      detach_inputs=True).latents
    expected = list(torch.autograd.grad(loss_of(latents), parameters))
    assert_same(adapter_gradient(pipeline, parameters, scheduler, noise, mode), expected)


@EVERY_KIND
def test_an_adapters_naive_gradient_is_the_slope_of_the_loss(kind, pipeline, noise):
    """Plain autograd against the loss itself, a little to either side along the gradient."""
    scheduler, parameters = build("dpm-solver++ 2"), tuned(pipeline, kind)

    def latents() -> Tensor:
        return denoise(pipeline.unet, scheduler, noise, condition(pipeline, "a nurse", 3.0), STEPS).latents

    final = latents()
    final.backward(loss_gradient(final))
    gradients = [p.grad.clone() for p in parameters]
    norm = torch.stack([g.norm() for g in gradients]).norm()
    losses = []
    for distance in (0.01, -0.02):
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                parameter.add_(gradient / norm, alpha=distance)
            losses.append(loss_of(latents()))
    assert float((losses[0] - losses[1]) / 0.02) == pytest.approx(float(norm), rel=0.02)


@EVERY_KIND
def test_an_adapters_gradient_from_some_timesteps_is_unbiased(kind, pipeline, noise):
    scheduler, parameters, wanted = build("dpm-solver++ 2"), tuned(pipeline, kind), 2
    generator = torch.Generator().manual_seed(0)
    subsets = {tuple(choose_timesteps(STEPS, wanted, generator)[0]) for _ in range(200)}
    assert len(subsets) == STEPS
    parts = [adapter_gradient(pipeline, parameters, scheduler, noise, "adjusted", chosen, STEPS / wanted)
             for chosen in sorted(subsets)]
    assert_same([torch.stack(p).mean(0) for p in zip(*parts)],
                adapter_gradient(pipeline, parameters, scheduler, noise, "adjusted"))


def peak_saved_bytes(run) -> int:
    """The most bytes autograd held for backward at one time."""
    held = SimpleNamespace(now=0, peak=0)

    class Saved:
        def __init__(self, tensor: Tensor):
            self.tensor, self.size = tensor, tensor.nbytes
            held.now += self.size
            held.peak = max(held.peak, held.now)

        def __del__(self):
            held.now -= self.size

    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
        run()
    return held.peak


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
