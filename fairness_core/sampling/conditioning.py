"""What a prompt says to the U-Net, by the text encoders and their adapters as they are now."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fairness_core.adapters.soft_tokens import SoftTokens, tokens_in_place, tokens_of
from fairness_core.hardware.waiting import to_device
from fairness_core.sampling.denoise import check_prompt, encode_prompts, run_text_encoder
from fairness_core.sampling.sdxl import whole_picture
from fairness_core.sampling.steering import Conditioning


def condition(model: Any, prompt: str, guidance_scale: float) -> Conditioning:
    """One prompt for all images: see condition_all()."""
    return condition_all(model, [prompt], guidance_scale)


def condition_all(model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
    """The prompts, behind the soft tokens where there are any, and the empty prompt, which never has them.

    The text encoder reads all of them at once. Soft tokens of strength s: (1 - s) times the prompt's embeddings without
    them plus s times those with them, so 0 is the original model, 1 the tokens as trained, and beyond 1 an extrapolation.
    model: anything with a tokenizer and a text_encoder; a fairness_core Model where there are two (SDXL).
    Raises PromptError for a prompt that is too long.
    """
    if getattr(model, "text_encoder_2", None) is not None:
        return condition_by_two(model, prompts, guidance_scale)
    embeddings = encode_prompts(model.tokenizer, model.text_encoder, [*prompts, ""])
    conditional, unconditional = embeddings[:-1], embeddings[-1:]
    tokens = tokens_of(model.text_encoder)
    if tokens is not None:
        conditional = torch.lerp(conditional, encode_behind(model, tokens, prompts), tokens.strength)
    return Conditioning(conditional, unconditional, guidance_scale)


def condition_by_two(model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
    """SDXL's: both encoders' tokens side by side, the second one's pooled embedding, and the picture's size."""
    for prompt in prompts:
        check_prompt(model.tokenizer, prompt, allow_empty=True)
    is_zero, size = model.force_zeros_for_empty_prompt, model.image_size
    embeddings, pooled = encode_by_two(model, [*prompts] if is_zero else [*prompts, ""])
    own, nothing = ((slice(None), slice(1)) if is_zero else (slice(-1), slice(-1, None)))
    unconditional = [torch.zeros_like(v[nothing]) if is_zero else v[nothing] for v in (embeddings, pooled)]
    time_ids = to_device(whole_picture(size, size), embeddings.device)
    return Conditioning(embeddings[own], unconditional[0], guidance_scale, pooled[own], unconditional[1], time_ids)


def encode_by_two(model: Any, prompts: list[str]) -> tuple[Tensor, Tensor]:
    """Embeddings [prompts, tokens, width of both], from the layers before the last, and pooled [prompts, width]."""
    pairs = ((model.tokenizer, model.text_encoder), (model.tokenizer_2, model.text_encoder_2))
    outputs = [run_text_encoder(*pair, prompts, output_hidden_states=True) for pair in pairs]
    return torch.cat([output.hidden_states[-2] for output in outputs], -1), outputs[-1].text_embeds


def encode_behind(model: Any, tokens: SoftTokens, prompts: Sequence[str]) -> Tensor:
    """Embeddings [prompts, tokens, width] of start token, soft tokens, prompt, padding: the tokenizer's length."""
    with tokens_in_place(model.text_encoder, tokens):
        return encode_prompts(model.tokenizer, model.text_encoder, [*prompts], reserved=len(tokens))
