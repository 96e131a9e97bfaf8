"""FLUX.1: a transformer that reads T5's tokens and CLIP's pooled embedding; guidance is a number it reads, or nothing.

Black Forest Labs, 2024. [dev] was distilled from guided pictures and reads how strong the guidance is to be; [schnell]
was distilled to few steps and reads no guidance. Neither goes through a second time for the empty prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fairness_core.adapters.soft_tokens import tokens_in_place, tokens_of
from fairness_core.denoisers.transformer import Transformer
from fairness_core.models.files import ModelError
from fairness_core.sampling.steering import Conditioning, Said
from fairness_core.sampling.text import check_prompt, run_text_encoder

T5_TOKENS = 512  # as a stock pipeline has it
OWN_SIDE = 128  # of latents, where nothing else is said: pictures of 1024 pixels
PUBLISHED_WIDTH = 3072


@dataclass(frozen=True)
class Flux(Transformer):
    """See protocol.Denoiser. Latents are [n, 16, h, w] here too; the network reads patches of two by two."""

    network: nn.Module
    encoders = ("text_encoder",)
    t5 = ("text_encoder_2", "tokenizer_2")
    t5_tokens = T5_TOKENS
    passes = 1
    spread_evenly = True

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        dtype, n = self.network.dtype, len(model_input)
        height, width = (size // 2 for size in model_input.shape[-2:])
        guidance = None
        if self.network.config.guidance_embeds:
            guidance = model_input.new_full((n,), said.guidance_scale)
        answer = self.network(
            packed(model_input).to(dtype), encoder_hidden_states=said.embeddings.to(dtype),
            pooled_projections=said.pooled.to(dtype), timestep=timesteps.expand(n) / 1000, guidance=guidance,
            img_ids=places(height, width, model_input.device), txt_ids=said.embeddings.new_zeros(said.embeddings.shape[1], 3))
        return unpacked(answer.sample.float(), height, width)

    def condition(self, model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
        """T5's tokens, without gradient; CLIP's pooled embeddings, by its adapter as it is now, and behind soft tokens where
        there are any (see UNet.condition). There is no empty prompt.
        """
        for prompt in prompts:
            check_prompt(model.tokenizer, prompt, allow_empty=True)
        pooled, tokens = pooled_of(model, prompts), tokens_of(model.text_encoder)
        if tokens is not None:
            with tokens_in_place(model.text_encoder, tokens):
                pooled = torch.lerp(pooled, pooled_of(model, prompts, len(tokens)), tokens.strength)
        return Conditioning(model.t5(prompts, pooled.device).to(pooled.dtype), None, guidance_scale, pooled)

    def latent_shape(self, side: int) -> tuple[int, int, int]:
        return self.network.config.in_channels // 4, side or OWN_SIDE, side or OWN_SIDE

    def blank(self, rows: int, **options: Any) -> Said:
        config = self.network.config
        return Said(torch.zeros(rows, T5_TOKENS, config.joint_attention_dim, **options), 1.0,
                    torch.zeros(rows, config.pooled_projection_dim, requires_grad=True, **options))

    def architecture(self, model: Any) -> str:
        width = self.network.config.num_attention_heads * self.network.config.attention_head_dim
        if width != PUBLISHED_WIDTH:
            return f"flux-of-width-{width}"
        return "flux-1-dev" if self.network.config.guidance_embeds else "flux-1-schnell"

    def check(self, label: str, latent_channels: int) -> None:
        if self.network.config.in_channels != 4 * latent_channels:
            raise ModelError(f"{label} paints over pictures ({self.network.config.in_channels} numbers a patch): use its "
                             "text-to-image model.")


def pooled_of(model: Any, prompts: Sequence[str], reserved: int = 0) -> Tensor:
    """CLIP's pooled embeddings [prompts, width]. reserved: places after the start that soft tokens take."""
    for prompt in prompts:
        check_prompt(model.tokenizer, prompt, allow_empty=True, reserved=reserved)
    return run_text_encoder(model.tokenizer, model.text_encoder, [*prompts], reserved).pooler_output


def packed(latents: Tensor) -> Tensor:
    """[n, c, h, w] -> patches of two by two, row by row, [n, h/2 * w/2, 4c]."""
    n, channels, height, width = latents.shape
    patches = latents.view(n, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(n, height // 2 * (width // 2), 4 * channels)


def unpacked(patches: Tensor, height: int, width: int) -> Tensor:
    """The inverse; height, width: in patches."""
    n, _, numbers = patches.shape
    latents = patches.view(n, height, width, numbers // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return latents.reshape(n, numbers // 4, 2 * height, 2 * width)


def places(height: int, width: int, device: torch.device) -> Tensor:
    """Where each patch lies, [height * width, 3]: 0, row, column; the text's are all zeros."""
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    grid = torch.stack([torch.zeros(height, width, device=device), *torch.meshgrid(rows, columns, indexing="ij")], -1)
    return grid.view(-1, 3)
