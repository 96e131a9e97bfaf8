"""Stable Diffusion 1.x and 2.x: a U-Net that reads one text encoder's embeddings, guided by two passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from fairness_core.adapters.soft_tokens import tokens_of
from fairness_core.models.files import ModelError
from fairness_core.sampling.steering import Conditioning, Said
from fairness_core.sampling.text import encode_behind, encode_prompts

PROMPT_TOKENS = 77
TEXT_TIME = "text_time"  # what diffusers calls the U-Net of SDXL, by what it is told


@dataclass(frozen=True)
class UNet:
    """See protocol.Denoiser. Anything that is called as a U-Net is; network None where a text encoder stands alone."""

    network: nn.Module | None
    tower = "unet"
    layers = ("to_q", "to_k", "to_v", "to_out.0")
    encoders = ("text_encoder",)
    t5, t5_tokens = None, 0
    passes = 2
    own_side = 64  # of latents, where the config names none

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        dtype = self.network.dtype
        return self.network(model_input.to(dtype), timesteps, encoder_hidden_states=said.embeddings.to(dtype),
                            **self.added(said, dtype)).sample.float()

    def added(self, said: Said, dtype: torch.dtype) -> Mapping[str, Any]:
        """What the network is told beside the prompt's tokens, as keyword arguments."""
        return {}

    def condition(self, model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
        """The prompts, behind the soft tokens where there are any, and the empty prompt, which never has them.

        The text encoder reads all of them at once. Soft tokens of strength s: (1 - s) times the prompt's embeddings
        without them plus s times those with them, so 0 is the original model, 1 the tokens as trained, and beyond 1 an
        extrapolation.
        """
        embeddings = encode_prompts(model.tokenizer, model.text_encoder, [*prompts, ""])
        conditional, unconditional = embeddings[:-1], embeddings[-1:]
        tokens = tokens_of(model.text_encoder)
        if tokens is not None:
            conditional = torch.lerp(conditional, encode_behind(model, tokens, prompts), tokens.strength)
        return Conditioning(conditional, unconditional, guidance_scale)

    def latent_shape(self, side: int) -> tuple[int, int, int]:
        """What the config names, be it one number or a list of two (the smaller, for pictures are square here)."""
        size = self.network.config.sample_size
        size = self.own_side if size is None else size if isinstance(size, int) else min(size)
        return self.network.config.in_channels, size, size

    def solver(self, scheduler: Any, side: int) -> Any:
        return scheduler

    def blank(self, rows: int, **options: Any) -> Said:
        width = self.network.config.cross_attention_dim
        return Said(torch.zeros(rows, PROMPT_TOKENS, width, requires_grad=True, **options), 1.0)

    def architecture(self, model: Any) -> str:
        """The published ones are told by how wide the U-Net's prompt embeddings are; others, such as the built-in one, are
        named after that width. A text encoder alone tells it as well.
        """
        width = (model.text_encoder.config.hidden_size if self.network is None
                 else self.network.config.cross_attention_dim)
        if width == 1024:
            is_v = model.scheduler.config.prediction_type == "v_prediction"
            return "stable-diffusion-v2-768-v" if is_v else "stable-diffusion-v2-512"
        return "stable-diffusion-v1" if width == 768 else f"stable-diffusion-of-width-{width}"

    def check(self, label: str, latent_channels: int) -> None:
        config = self.network.config
        if config.time_cond_proj_dim is not None:
            raise ModelError(f"{label} was distilled with the guidance scale as an input of its U-Net (a latent "
                             "consistency model): use the model it was distilled from, or one distilled without, such as "
                             "sd-turbo.")
        if config.in_channels != latent_channels:
            raise ModelError(f"{label} paints over pictures ({config.in_channels} channels in): use its text-to-image "
                             "model.")
        if config.class_embed_type or config.addition_embed_type not in (None, TEXT_TIME):
            raise ModelError(f"{label} wants other conditions than a prompt: use Stable Diffusion 1.x, 2.x or SDXL.")

    def prepare(self, device: torch.device) -> None:
        """On a CPU, torch's fused attention is the slow path and channels-last the fast one (measured)."""
        self.network.to(memory_format=torch.channels_last)
        if device.type == "cpu":
            self.network.set_attn_processor(AttnProcessor())
