"""What a prompt says to the U-Net, by the text encoder and its adapter as they are now."""

from typing import Any

import torch
from torch import Tensor

from fairness_core.sampling import Conditioning, encode_prompts
from fairness_core.soft_tokens import SoftTokens, tokens_in_place, tokens_of


def condition(model: Any, prompt: str, guidance_scale: float) -> Conditioning:
    """The prompt, behind the soft tokens where there are any, and the empty prompt, which never has them.

    Soft tokens of strength s: (1 - s) times the prompt's embeddings without them plus s times those with them, so
    0 is the original model, 1 the tokens as trained, and beyond 1 an extrapolation.
    model: anything with a tokenizer and a text_encoder. Raises PromptError for a prompt that is too long.
    """
    embeddings = encode_prompts(model.tokenizer, model.text_encoder, [prompt, ""])
    conditional, unconditional = embeddings[:1], embeddings[1:]
    tokens = tokens_of(model.text_encoder)
    if tokens is not None:
        conditional = torch.lerp(conditional, encode_behind(model, tokens, prompt), tokens.strength)
    return Conditioning(conditional, unconditional, guidance_scale)


def encode_behind(model: Any, tokens: SoftTokens, prompt: str) -> Tensor:
    """Embeddings [1, tokens, width] of start token, soft tokens, prompt, padding: the tokenizer's length."""
    with tokens_in_place(model.text_encoder, tokens):
        return encode_prompts(model.tokenizer, model.text_encoder, [prompt], reserved=len(tokens))
