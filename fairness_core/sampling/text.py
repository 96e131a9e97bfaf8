"""Prompts -> what CLIP's text encoders say of them, as a stock pipeline would have it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fairness_core.adapters.soft_tokens import SoftTokens, tokens_in_place
from fairness_core.hardware.waiting import to_device
from fairness_core.settings.prompt_length import PromptError, check_length, measure_prompt


def encode_prompts(tokenizer, text_encoder: nn.Module, prompts: list[str], *, allow_empty: bool = True,
                   reserved: int = 0) -> Tensor:
    """Prompt embeddings [len(prompts), tokens, width], padded to the tokenizer's limit as a stock pipeline does.

    Carries gradient to the text encoder when autograd is enabled. The unconditional prompt is "".
    reserved: how many places after the start token are left to soft tokens; the prompt follows them.
    Raises PromptError for a prompt longer than the limit, and for a blank one unless `allow_empty`.
    """
    for prompt in prompts:
        check_prompt(tokenizer, prompt, allow_empty, reserved)
    return run_text_encoder(tokenizer, text_encoder, prompts, reserved)[0]


def encode_behind(model: Any, tokens: SoftTokens, prompts: Sequence[str]) -> Tensor:
    """Embeddings [prompts, tokens, width] of start token, soft tokens, prompt, padding: the tokenizer's length."""
    with tokens_in_place(model.text_encoder, tokens):
        return encode_prompts(model.tokenizer, model.text_encoder, [*prompts], reserved=len(tokens))


def run_text_encoder(tokenizer, text_encoder: nn.Module, prompts: list[str], reserved: int = 0, **options: bool):
    """What transformers' text encoder answers to prompts that fit."""
    tokens = tokenizer(prompts, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
    device = text_encoder.device
    uses_mask = getattr(text_encoder.config, "use_attention_mask", False)
    mask = to_device(leave_places(tokens.attention_mask, reserved), device) if uses_mask else None
    return text_encoder(to_device(leave_places(tokens.input_ids, reserved), device), attention_mask=mask, **options)


def leave_places(ids: Tensor, places: int) -> Tensor:
    """ids [prompts, tokens] with the first one repeated `places` times; as many are dropped from the padding."""
    return torch.cat([ids[:, :1].expand(-1, places), ids[:, :ids.shape[1] - places]], 1)


def check_prompt(tokenizer, prompt: str, allow_empty: bool = False, reserved: int = 0) -> None:
    """Raises PromptError for a blank prompt (unless `allow_empty`) or one that would lose its end.

    reserved: how many tokens of the tokenizer's limit are taken already.
    """
    if not allow_empty and not prompt.strip():
        raise PromptError("The prompt is empty: write what to paint, for instance 'a photo of the face of a nurse'.")
    check_length(prompt, measure_prompt(tokenizer, prompt, reserved), reserved)
