"""The least time an iteration can take: the U-Net's operations over the rate of a matrix product on this machine."""

import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from fairness_core.models.loading import Model
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import guided_prediction
from fairness_core.sampling.gradients import leaves_of

REPEATS = 5
SIDES = {"cpu": 2048, "cuda": 8192}  # of the square matrices: large enough for the machine's full rate


@dataclass(frozen=True)
class Passes:
    """How often an image goes through the guided U-Net in an iteration."""

    forward: int
    backward: int


def published_passes(steps: int) -> Passes:
    """Samples the tuned model, the original, the tuned model with a graph, and once more for the checkpoints."""
    return Passes(4 * steps, steps)


def engine_passes(steps: int, kept: int, again: bool) -> Passes:
    """Samples the tuned model; `kept` of the denoising steps carry gradient, and are computed again for it unless their
    graphs stayed. The originals were painted.
    """
    return Passes(steps + again * kept, kept)


def unet_operations(model: Model, guidance_scale: float) -> Passes:
    """Floating-point operations for one image, forward and backward to the prompt; a multiply-add is two."""
    with torch.no_grad(), model.autocast():
        said = condition(model, "a person", guidance_scale)
    leaves = leaves_of(said, True)
    latents, timestep = torch.zeros(1, *model.latent_shape, device=model.device), torch.tensor(1, device=model.device)
    with FlopCounterMode(display=False) as forward, model.autocast():
        output = guided_prediction(model.denoiser, latents, timestep, leaves)
    with FlopCounterMode(display=False) as backward:
        output.backward(torch.zeros_like(output))
    return Passes(forward.get_total_flops(), backward.get_total_flops())


def matrix_rate(device: torch.device, precision: torch.dtype) -> float:
    """Operations a second of a square matrix product, the fastest of some."""
    side = SIDES[device.type]
    a, b = (torch.randn(side, side, device=device, dtype=precision) for _ in range(2))
    return 2 * side**3 / min(seconds_of_product(a, b) for _ in range(REPEATS))


def seconds_of_product(a: torch.Tensor, b: torch.Tensor) -> float:
    synchronize(a.device)
    began = time.perf_counter()
    torch.mm(a, b)
    synchronize(a.device)
    return time.perf_counter() - began


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def operations(passes: Passes, each: Passes, images: int) -> int:
    return images * (passes.forward * each.forward + passes.backward * each.backward)
