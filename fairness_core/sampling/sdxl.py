"""What SDXL's U-Net is told beside the prompt's tokens: a pooled embedding, and the picture's size.

The time ids: original height and width, crop's top and left, target height and width, in pixels (Podell et al. 2023,
section 2.2).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

TEXT_TIME = "text_time"  # what diffusers calls a U-Net with these conditions


def whole_picture(height: int, width: int) -> Tensor:
    """The time ids [1, 6] of a picture painted in its own size, not cropped."""
    return torch.tensor([[height, width, 0.0, 0.0, height, width]])


def added_conditions(pooled: Tensor | None, time_ids: Tensor | None, dtype: torch.dtype) -> Mapping[str, Any]:
    """The keyword arguments that tell the U-Net pooled embeddings [n, width] and time ids [1, 6]; none without."""
    if pooled is None:
        return {}
    ids = time_ids.expand(len(pooled), -1)
    return {"added_cond_kwargs": {"text_embeds": pooled.to(dtype), "time_ids": ids.to(dtype)}}
