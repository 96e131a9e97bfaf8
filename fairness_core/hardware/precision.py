"""Which arithmetic is fast on this machine, and how gradients survive it."""

import torch
from torch.amp import GradScaler

FIRST_SCALE, STEPS_BEFORE_GROWTH = 2.0**10, 100  # a scale that is too large costs a whole step: begin low, grow slowly


def fast_precision(device: torch.device) -> torch.dtype:
    """torch.bfloat16 where the hardware has it, torch.float16 on older GPUs with tensor cores, else torch.float32.

    On a GPU of compute capability 8 (float16: 7) or a processor with AVX512-BF16 or AMX, it about doubles the speed;
    on a processor without, it is emulated and many times slower.
    """
    if device.type == "cuda":
        generation = torch.cuda.get_device_capability(device)[0]
        return torch.bfloat16 if generation >= 8 else torch.float16 if generation == 7 else torch.float32
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


def loss_scaler(device: torch.device, precision: torch.dtype) -> GradScaler:
    """Multiplies the loss in float16, whose smallest number is 6e-8, and takes it back from the gradients.

    Off in bfloat16 and float32, which reach as far down as any gradient.
    """
    return GradScaler(device.type, FIRST_SCALE, growth_interval=STEPS_BEFORE_GROWTH, enabled=precision == torch.float16)
