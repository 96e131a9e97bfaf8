"""Which arithmetic is fast on this machine."""

import torch


def fast_precision(device: torch.device) -> torch.dtype:
    """torch.bfloat16 where the hardware has it, torch.float32 elsewhere.

    On a GPU of compute capability 8 or a processor with AVX512-BF16 or AMX, bf16 about doubles the speed;
    on a processor without, it is emulated and many times slower.
    """
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device)[0] >= 8
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32
