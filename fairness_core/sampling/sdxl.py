"""SDXL's added conditions travel in the tensor of the prompt embeddings, as two more rows after the tokens.

So whatever is done to prompt embeddings (guidance, batches, gradients) is done to all that the U-Net is told.
The rows: the pooled embedding, and the time ids (original height and width, crop's top and left, target height and
width, in pixels: Podell et al. 2023, section 2.2), each filled up with zeros.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TEXT_TIME = "text_time"  # what diffusers calls a U-Net with these conditions
TIME_IDS = 6
ROWS = 2


def has_added_conditions(unet: nn.Module) -> bool:
    return getattr(unet.config, "addition_embed_type", None) == TEXT_TIME


def whole_picture(height: int, width: int) -> Tensor:
    """The time ids [1, 6] of a picture painted in its own size, not cropped."""
    return torch.tensor([[height, width, 0.0, 0.0, height, width]])


def pack(tokens: Tensor, pooled: Tensor, time_ids: Tensor) -> Tensor:
    """[n, tokens, width], [n, pooled width], [1 or n, 6] -> [n, tokens + 2, width]. With gradient.

    Raises ValueError when the pooled embedding is wider than the tokens'.
    """
    width = tokens.shape[-1]
    if pooled.shape[-1] > width or TIME_IDS > width:
        raise ValueError(f"A pooled embedding of {pooled.shape[-1]} numbers has no room beside tokens of {width}.")
    rows = [F.pad(row, (0, width - row.shape[-1]))[:, None]
            for row in (pooled, time_ids.to(tokens).expand(len(tokens), -1))]
    return torch.cat([tokens, *rows], 1)


def unpack(unet: nn.Module, embeddings: Tensor) -> tuple[Tensor, Mapping[str, Any]]:
    """The prompt embeddings [n, tokens, width] and the keyword arguments that tell the U-Net the rest."""
    if not has_added_conditions(unet):
        return embeddings, {}
    pooled_width = unet.config.projection_class_embeddings_input_dim - TIME_IDS * unet.config.addition_time_embed_dim
    pooled, time_ids = embeddings[:, -2, :pooled_width], embeddings[:, -1, :TIME_IDS]
    return embeddings[:, :-ROWS], {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": time_ids}}
