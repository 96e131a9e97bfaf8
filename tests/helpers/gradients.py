"""Gradients by plain autograd and by the engine, on every solver."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, UniPCMultistepScheduler
from helpers.fakes import tiny_scheduler
from torch import Tensor, nn

from fairness_core.denoisers.kinds import denoiser_of
from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.denoise import Conditioning, PosteriorMeanScheduler, denoise
from fairness_core.sampling.gradients import accumulate_gradients, every_pair
from fairness_core.sampling.steering import Said

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


class Weighing:
    """A denoiser whose output's gradient is multiplied by another factor at each call."""

    def __init__(self, denoiser, factors: list[float]):
        self.denoiser, self.factors = denoiser_of(denoiser), iter(factors)

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        output, factor = self.denoiser.predict(model_input, timesteps, said), next(self.factors)
        output.register_hook(lambda gradient: gradient * factor)
        return output


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
        step_weights(scheduler_coefficients(scheduler, steps), mode),
        every_pair(range(steps) if chosen is None else chosen, range(len(noise))), scale, batch, **options)
    return [found.conditional, found.unconditional] + [w.grad.clone() for w in weights if w.grad is not None]


def assert_same(found: list[Tensor], expected: list[Tensor], relative: float = 1e-4) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert a.shape == b.shape and (a - b).norm() <= relative * b.norm() + 1e-9, float((a - b).norm() / b.norm())


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
