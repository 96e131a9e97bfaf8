"""Noise -> latents -> images: the one sampler, with or without gradient, equal to diffusers' own pipeline."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fairness_core.adapters.lora import lora_scales
from fairness_core.denoisers.kinds import denoiser_of
from fairness_core.denoisers.protocol import Denoiser
from fairness_core.hardware.recorded import recorded
from fairness_core.hardware.waiting import constant, to_device
from fairness_core.sampling.steering import Conditioning
from fairness_core.sampling.text import PromptError, check_prompt, encode_prompts

__all__ = ["Conditioning", "PosteriorMeanScheduler", "PromptError", "Trajectory", "check_prompt", "decode",
           "decode_in_parts", "denoise", "denoise_in_parts", "draw_noise", "encode_prompts", "even_parts",
           "fresh_scheduler", "guided_prediction", "noise_generator", "scheduler_step", "to_uint8"]

# With guidance 64 rows. Fewer take less memory and more time (measured on two cores).
DENOISED_AT_ONCE, DECODED_AT_ONCE = 32, 16


class PosteriorMeanScheduler(DDPMScheduler):
    """DDPM without the noise it adds after each step: only the posterior mean, thus deterministic.

    `PosteriorMeanScheduler.from_config(ddpm.config, clip_sample=False)` is also linear, which adjusted gradients need.
    """

    def _get_variance(self, *args, **kwargs) -> Tensor:
        return torch.zeros(())


@dataclass(frozen=True)
class Trajectory:
    """One sampling of n images in T steps.

    model_inputs: [T, n, c, h, w], what the denoiser was given (after scheduler.scale_model_input), without graph;
    timesteps: [T]; latents: [n, c, h, w], the final ones.
    """

    model_inputs: Tensor
    timesteps: Tensor
    latents: Tensor


def draw_noise(prompt: str, numbers: Sequence[int], seed: int, shape: tuple[int, int, int]) -> Tensor:
    """Standard normal noise, float32 on CPU, [len(numbers), *shape].

    Each image's noise depends on (seed, prompt, its number) only, on any machine and in any batch.
    """
    return torch.stack([torch.randn(shape, generator=noise_generator(prompt, number, seed)) for number in numbers])


def noise_generator(prompt: str, number: int, seed: int) -> torch.Generator:
    """A CPU generator that is a function of its arguments (Python's hash() differs between processes)."""
    key = json.dumps([int(seed), prompt, int(number)]).encode()
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))


def guided_prediction(denoiser: Denoiser | nn.Module, model_input: Tensor, timesteps: Tensor,
                      conditioning: Conditioning) -> Tensor:
    """Classifier-free guidance: unconditional + scale * (conditional - unconditional), float32 [n, c, h, w].

    model_input: [n, c, h, w], already scaled by the scheduler; timesteps: one scalar, or one an image [n].
    One call of 2n images, or of n without guidance and where the denoiser is guided by itself.
    """
    denoiser, n = denoiser_of(denoiser), len(model_input)
    said = conditioning.said(n)
    if not conditioning.is_guided:
        return denoiser.predict(model_input, timesteps, said)
    both_timesteps = timesteps.repeat(2) if timesteps.ndim else timesteps
    both = denoiser.predict(torch.cat([model_input, model_input]), both_timesteps, conditioning.unsaid(n).before(said))
    unguided, guided = both.chunk(2)
    return torch.lerp(unguided, guided, conditioning.guidance_scale)


def fresh_scheduler(scheduler, steps: int):
    """A copy of the scheduler, set to `steps`, that shares no state with it.

    Its numbers stay on the CPU: on a GPU, looking one up would make the host wait at every step.
    """
    copy = type(scheduler).from_config(scheduler.config)
    copy.set_timesteps(steps)
    if hasattr(copy, "set_begin_index"):
        copy.set_begin_index(0)  # or it would search for the timestep that it is told
    return copy


def scheduler_step(scheduler, output: Tensor, timestep: Tensor, sample: Tensor,
                   generator: torch.Generator | None = None) -> Tensor:
    """The scheduler's own arithmetic, kept out of autocast (it rounds the matrix products some solvers use)."""
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    extra = {"generator": generator} if takes_generator else {}
    with torch.autocast(sample.device.type, enabled=False):
        return scheduler.step(output, timestep, sample, return_dict=False, **extra)[0]


def denoise(denoiser: Denoiser | nn.Module, scheduler, noise: Tensor, conditioning: Conditioning, steps: int, *,
            detach_inputs: bool = False, generator: torch.Generator | None = None, at_once: int = 0,
            is_recorded: bool = False, predict: Callable[[int, Tensor, Tensor], Tensor] | None = None) -> Trajectory:
    """Samples latents from noise [n, c, h, w] (standard normal) in `steps` steps.

    denoiser: or the network of one, whose kind is told by its class.
    Under autograd the final latents carry the graph. detach_inputs: the denoiser's input carries no gradient at
    any step (B_t = I in the paper's section 4), while the scheduler's linear path does: the "unscaled"
    gradient; without it, the "naive" one. generator: for schedulers that add noise, only.
    at_once: how many images go through the denoiser together (0: all of them). is_recorded: on a GPU, without gradient,
    as hardware/recorded.py tells. predict: asked instead, (number of the step, its inputs, its timestep) -> all outputs.
    """
    denoiser = denoiser_of(denoiser)
    scheduler = fresh_scheduler(scheduler, steps)
    timesteps = to_device(scheduler.timesteps, noise.device)
    latents = noise.float() * scheduler.init_noise_sigma
    predict = predict or predict_in_parts(denoiser, noise, conditioning, at_once, is_recorded)
    inputs = []
    for step, (timestep, on_device) in enumerate(zip(scheduler.timesteps, timesteps)):
        model_input = scheduler.scale_model_input(latents.detach() if detach_inputs else latents, timestep)
        inputs.append(model_input.detach())
        latents = scheduler_step(scheduler, predict(step, model_input, on_device), timestep, latents, generator)
    return Trajectory(torch.stack(inputs), timesteps, latents)


def predict_in_parts(denoiser: Denoiser, noise: Tensor, conditioning: Conditioning, at_once: int,
                     is_recorded: bool) -> Callable[[int, Tensor, Tensor], Tensor]:
    """What denoise() asks at every step: guided_prediction() of some images, then of the next ones."""
    predict_part = recorded(guided_prediction, denoiser.network, noise.device, lora_scales(denoiser.network)) if is_recorded else guided_prediction
    parts = even_parts(len(noise), at_once or len(noise))
    steering = [conditioning.of(rows) for rows in parts]

    def predict(_step: int, model_input: Tensor, timestep: Tensor) -> Tensor:
        return torch.cat([predict_part(denoiser, model_input[rows], timestep, part) for rows, part in zip(parts, steering)])

    return predict


def denoise_in_parts(denoiser: Denoiser | nn.Module, scheduler, noise: Tensor, conditioning: Conditioning, steps: int,
                     images_at_once: int = 0, predict: Callable[[int, Tensor, Tensor], Tensor] | None = None) -> Trajectory:
    """The same as denoise(), by at most images_at_once images together (0: as many as is fastest; a GPU's memory is
    ample then, and recordings keep some of it).
    """
    return denoise(denoiser, scheduler, noise, conditioning, steps, at_once=images_at_once or DENOISED_AT_ONCE,
                   is_recorded=not images_at_once, predict=predict)


def even_parts(n: int, most: int) -> list[slice]:
    """0 to n in as few slices of at most `most` as there can be, nearly even ones."""
    count = max(1, -(-n // most))
    return [slice(n * i // count, n * (i + 1) // count) for i in range(count)]


def decode(vae: nn.Module, latents: Tensor) -> Tensor:
    """Latents [n, c, h, w] -> images [n, 3, H, W], float32, in about [-1, 1] (not clamped, so gradients pass).

    With gradient checkpointing, one image at a time and computed again in the backward pass.
    """
    latents = unscaled(vae.config, latents)
    if not vae.is_gradient_checkpointing:
        return decode_scaled(vae, latents)
    return torch.cat([checkpoint(decode_scaled, vae, one, use_reentrant=False) for one in latents.split(1)])


def unscaled(config: Mapping[str, Any], latents: Tensor) -> Tensor:
    """What the decoder reads: by the config's mean and deviation of each channel where it has both, as Playground 2.5's
    kind of SDXL does, else by its one shift.
    """
    mean, deviation = (config.get(name) for name in ("latents_mean", "latents_std"))
    if mean is None or deviation is None:
        return latents / config["scaling_factor"] + (config.get("shift_factor") or 0.0)
    mean, deviation = (constant(tuple(values), latents.device, latents.dtype).view(1, -1, 1, 1)
                       for values in (mean, deviation))
    return latents * deviation / config["scaling_factor"] + mean


def decode_in_parts(vae: nn.Module, latents: Tensor) -> Tensor:
    """The same as decode(), a few images at a time."""
    return torch.cat([decode(vae, latents[rows]) for rows in even_parts(len(latents), DECODED_AT_ONCE)])


def decode_scaled(vae: nn.Module, latents: Tensor) -> Tensor:
    """In float32 where float16 would overflow: diffusers marks such decoders (SDXL's) with force_upcast."""
    device = latents.device.type
    halved = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.float16
    with torch.autocast(device, enabled=False) if halved and vae.config.force_upcast else nullcontext():
        return vae.decode(latents.to(vae.dtype)).sample.float()


def to_uint8(images: Tensor) -> np.ndarray:
    """Images [n, 3, h, w] in [-1, 1] -> uint8 [n, h, w, 3], clamped and rounded as diffusers does."""
    pixels = (images.detach().float() * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
    return (pixels * 255).round().astype(np.uint8)
