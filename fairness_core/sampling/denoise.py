"""Noise -> latents -> images: the one sampler, with or without gradient, equal to diffusers' own pipeline."""

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fairness_core.hardware.waiting import constant, to_device
from fairness_core.sampling.recorded import recorded
from fairness_core.sampling.sdxl import added_conditions
from fairness_core.sampling.steering import Conditioning
from fairness_core.settings.prompt_length import PromptError, check_length, measure_prompt

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

    model_inputs: [T, n, c, h, w], what the U-Net was given (after scheduler.scale_model_input), without graph;
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


def encode_prompts(tokenizer, text_encoder: nn.Module, prompts: list[str], *, allow_empty: bool = True,
                   reserved: int = 0) -> Tensor:
    """Prompt embeddings [len(prompts), tokens, width], padded to the tokenizer's limit as a stock pipeline does.

    Carries gradient to the text encoder when autograd is enabled. The unconditional prompt is "".
    reserved: how many places after the start token are left to soft tokens; the prompt follows them.
    Raises PromptError for a prompt longer than the limit, and for a blank one unless `allow_empty`.
    """
    for prompt in prompts:
        check_prompt(tokenizer, prompt, allow_empty, reserved)
    return run_text_encoder(tokenizer, text_encoder, prompts, reserved)[0]


def run_text_encoder(tokenizer, text_encoder: nn.Module, prompts: list[str], reserved: int = 0, **options: bool):
    """What transformers' text encoder answers to prompts that fit."""
    tokens = tokenizer(prompts, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
    device = text_encoder.device
    uses_mask = getattr(text_encoder.config, "use_attention_mask", False)
    mask = to_device(leave_places(tokens.attention_mask, reserved), device) if uses_mask else None
    return text_encoder(to_device(leave_places(tokens.input_ids, reserved), device), attention_mask=mask, **options)


def leave_places(ids: Tensor, places: int) -> Tensor:
    """ids [prompts, tokens] with the first one repeated `places` times; as many are dropped from the padding."""
    return torch.cat([ids[:, :1].expand(-1, places), ids[:, :ids.shape[1] - places]], 1)


def check_prompt(tokenizer, prompt: str, allow_empty: bool = False, reserved: int = 0) -> None:
    """Raises PromptError for a blank prompt (unless `allow_empty`) or one that would lose its end.

    reserved: how many tokens of the tokenizer's limit are taken already.
    """
    if not allow_empty and not prompt.strip():
        raise PromptError("The prompt is empty: write what to paint, for instance 'a photo of the face of a nurse'.")
    check_length(prompt, measure_prompt(tokenizer, prompt, reserved), reserved)


def guided_prediction(unet: nn.Module, model_input: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
    """Classifier-free guidance: unconditional + scale * (conditional - unconditional), float32 [n, c, h, w].

    model_input: [n, c, h, w], already scaled by the scheduler; timesteps: one scalar, or one an image [n].
    One U-Net call of 2n images, or of n without guidance.
    """
    n = len(model_input)
    guided_rows = conditioning.guided_rows(n)
    if not conditioning.is_guided:
        return predict(unet, model_input, timesteps, *guided_rows, conditioning.time_ids)
    rows = [None if guided is None else torch.cat([unguided, guided])
            for unguided, guided in zip(conditioning.unguided_rows(n), guided_rows)]
    both_timesteps = timesteps.repeat(2) if timesteps.ndim else timesteps
    both = predict(unet, torch.cat([model_input, model_input]), both_timesteps, *rows, conditioning.time_ids)
    unguided, guided = both.chunk(2)
    return torch.lerp(unguided, guided, conditioning.guidance_scale)


def predict(unet: nn.Module, model_input: Tensor, timesteps: Tensor, embeddings: Tensor, pooled: Tensor | None,
            time_ids: Tensor | None) -> Tensor:
    """One U-Net call in the U-Net's own dtype; the result in float32. pooled, time_ids: SDXL's, see Conditioning."""
    dtype = unet.dtype
    added = added_conditions(pooled, time_ids, dtype)
    return unet(model_input.to(dtype), timesteps, encoder_hidden_states=embeddings.to(dtype), **added).sample.float()


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


def denoise(unet: nn.Module, scheduler, noise: Tensor, conditioning: Conditioning, steps: int, *,
            detach_inputs: bool = False, generator: torch.Generator | None = None, at_once: int = 0,
            is_recorded: bool = False) -> Trajectory:
    """Samples latents from noise [n, c, h, w] (standard normal) in `steps` steps.

    Under autograd the final latents carry the graph. detach_inputs: the U-Net's input carries no gradient at
    any step (B_t = I in the paper's section 4), while the scheduler's linear path does: the "unscaled"
    gradient; without it, the "naive" one. generator: for schedulers that add noise, only.
    at_once: how many images go through the U-Net together (0: all of them). is_recorded: on a GPU, without gradient, as
    sampling/recorded.py tells.
    """
    predict_part = recorded(guided_prediction, unet, noise.device) if is_recorded else guided_prediction
    scheduler = fresh_scheduler(scheduler, steps)
    timesteps = to_device(scheduler.timesteps, noise.device)
    latents = noise.float() * scheduler.init_noise_sigma
    parts = even_parts(len(noise), at_once or len(noise))
    steering = [conditioning.of(rows) for rows in parts]
    inputs = []
    for timestep, on_device in zip(scheduler.timesteps, timesteps):
        model_input = scheduler.scale_model_input(latents.detach() if detach_inputs else latents, timestep)
        inputs.append(model_input.detach())
        outputs = [predict_part(unet, model_input[rows], on_device, part) for rows, part in zip(parts, steering)]
        latents = scheduler_step(scheduler, torch.cat(outputs), timestep, latents, generator)
    return Trajectory(torch.stack(inputs), timesteps, latents)


def denoise_in_parts(unet: nn.Module, scheduler, noise: Tensor, conditioning: Conditioning, steps: int,
                     images_at_once: int = 0) -> Trajectory:
    """The same as denoise(), by at most images_at_once images together (0: as many as is fastest; a GPU's memory is
    ample then, and recordings keep some of it).
    """
    return denoise(unet, scheduler, noise, conditioning, steps, at_once=images_at_once or DENOISED_AT_ONCE,
                   is_recorded=not images_at_once)


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
