"""Stable Diffusion XL: a U-Net that is told a pooled embedding and the picture's size beside the prompt's tokens.

The time ids: original height and width, crop's top and left, target height and width, in pixels (Podell et al. 2023,
section 2.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fairness_core.denoisers.unet import UNet
from fairness_core.hardware.waiting import to_device
from fairness_core.sampling.steering import Conditioning, Said
from fairness_core.sampling.text import check_prompt, run_text_encoder


class Sdxl(UNet):
    """See protocol.Denoiser."""

    encoders = ("text_encoder", "text_encoder_2")
    own_side = 128

    def added(self, said: Said, dtype: torch.dtype) -> Mapping[str, Any]:
        ids = said.time_ids.expand(len(said.pooled), -1)
        return {"added_cond_kwargs": {"text_embeds": said.pooled.to(dtype), "time_ids": ids.to(dtype)}}

    def condition(self, model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
        """Both encoders' tokens side by side, the second one's pooled embedding, and the picture's size. The empty prompt
        is zeros when model.force_zeros_for_empty_prompt, else read as well.
        """
        for prompt in prompts:
            check_prompt(model.tokenizer, prompt, allow_empty=True)
        is_zero, size = model.force_zeros_for_empty_prompt, model.image_size
        embeddings, pooled = encode_by_two(model, [*prompts] if is_zero else [*prompts, ""])
        own, nothing = ((slice(None), slice(1)) if is_zero else (slice(-1), slice(-1, None)))
        unconditional = [torch.zeros_like(v[nothing]) if is_zero else v[nothing] for v in (embeddings, pooled)]
        time_ids = to_device(whole_picture(size, size), embeddings.device)
        return Conditioning(embeddings[own], unconditional[0], guidance_scale, pooled[own], unconditional[1], time_ids)

    def blank(self, rows: int, **options: Any) -> Said:
        config = self.network.config
        width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        return replace(super().blank(rows, **options), pooled=torch.zeros(rows, width, **options),
                       time_ids=torch.zeros(1, 6, **options))

    def architecture(self, model: Any) -> str:
        width = self.network.config.cross_attention_dim
        return "stable-diffusion-xl-v1-base" if width == 2048 else f"stable-diffusion-of-width-{width}-by-two"


def whole_picture(height: int, width: int) -> Tensor:
    """The time ids [1, 6] of a picture painted in its own size, not cropped."""
    return torch.tensor([[height, width, 0.0, 0.0, height, width]])


def encode_by_two(model: Any, prompts: list[str]) -> tuple[Tensor, Tensor]:
    """Embeddings [prompts, tokens, width of both], from the layers before the last, and pooled [prompts, width]."""
    pairs = ((model.tokenizer, model.text_encoder), (model.tokenizer_2, model.text_encoder_2))
    outputs = [run_text_encoder(*pair, prompts, output_hidden_states=True) for pair in pairs]
    return torch.cat([output.hidden_states[-2] for output in outputs], -1), outputs[-1].text_embeds
