"""Stable Diffusion 3 and 3.5: a transformer (MMDiT) that reads two CLIPs and a frozen T5, guided by two passes.

Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fairness_core.denoisers.transformer import Transformer
from fairness_core.models.files import ModelError
from fairness_core.sampling.steering import Conditioning, Said
from fairness_core.sampling.text import check_prompt, run_text_encoder

CLIP_TOKENS, T5_TOKENS = 77, 256  # the second as a stock pipeline has it
PUBLISHED = {1536: "stable-diffusion-3-medium", 2432: "stable-diffusion-3.5-large"}  # by the width of a token


@dataclass(frozen=True)
class Sd3(Transformer):
    """See protocol.Denoiser."""

    network: nn.Module
    encoders = ("text_encoder", "text_encoder_2")
    t5 = ("text_encoder_3", "tokenizer_3")
    t5_tokens = T5_TOKENS
    passes = 2

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        dtype = self.network.dtype
        return self.network(model_input.to(dtype), encoder_hidden_states=said.embeddings.to(dtype),
                            pooled_projections=said.pooled.to(dtype),
                            timestep=timesteps.expand(len(model_input))).sample.float()

    def condition(self, model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
        """Both CLIPs' tokens side by side, then T5's; both CLIPs' pooled embeddings side by side. Without T5, zeros."""
        for prompt in prompts:
            check_prompt(model.tokenizer, prompt, allow_empty=True)
        embeddings, pooled = self.read(model, [*prompts, ""])
        return Conditioning(embeddings[:-1], embeddings[-1:], guidance_scale, pooled[:-1], pooled[-1:])

    def read(self, model: Any, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Embeddings [prompts, CLIP's tokens and T5's, width of T5], and pooled ones [prompts, width of both CLIPs]."""
        pairs = ((model.tokenizer, model.text_encoder), (model.tokenizer_2, model.text_encoder_2))
        outputs = [run_text_encoder(*pair, prompts, output_hidden_states=True) for pair in pairs]
        clip = torch.cat([output.hidden_states[-2] for output in outputs], -1)
        width = self.network.config.joint_attention_dim
        said_by_t5 = (clip.new_zeros(len(prompts), T5_TOKENS, width) if model.t5 is None
                      else model.t5(prompts, clip.device).to(clip.dtype))
        embeddings = torch.cat([F.pad(clip, (0, width - clip.shape[-1])), said_by_t5], 1)
        return embeddings, torch.cat([output.text_embeds for output in outputs], -1)

    def latent_shape(self, side: int) -> tuple[int, int, int]:
        size = self.network.config.sample_size
        return self.network.config.in_channels, size, size

    def blank(self, rows: int, **options: Any) -> Said:
        config = self.network.config
        return Said(torch.zeros(rows, CLIP_TOKENS + T5_TOKENS, config.joint_attention_dim, requires_grad=True, **options),
                    1.0, torch.zeros(rows, config.pooled_projection_dim, requires_grad=True, **options))

    def architecture(self, model: Any) -> str:
        """3.5 Medium is as wide as 3 Medium, and has a second attention in some layers."""
        config = self.network.config
        width = config.num_attention_heads * config.attention_head_dim
        if width == 1536 and config.dual_attention_layers:
            return "stable-diffusion-3.5-medium"
        return PUBLISHED.get(width, f"stable-diffusion-3-of-width-{width}")

    def check(self, label: str, latent_channels: int) -> None:
        if self.network.config.in_channels != latent_channels:
            raise ModelError(f"{label} paints over pictures ({self.network.config.in_channels} channels in): use its "
                             "text-to-image model.")
