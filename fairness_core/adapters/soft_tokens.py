"""Soft prompt tokens: learned vectors that stand before the prompt's words, as textual inversion's do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

ATTRIBUTE = "soft_tokens"  # where a text encoder keeps them


class SoftTokens(nn.Module):
    """embeddings: float32 [n, width], in the place of token embeddings 1 to n, right after the start token.

    strength: 0 to 1.5, how far the prompt's embeddings go from those without the tokens to those with them.
    """

    def __init__(self, embeddings: Tensor):
        super().__init__()
        self.embeddings = nn.Parameter(embeddings.detach().clone().float())
        self.strength = 1.0

    def __len__(self) -> int:
        return len(self.embeddings)

    def forward(self, embedded: Tensor) -> Tensor:
        """Token embeddings [prompts, tokens, width] with these in the places 1 to n."""
        own = self.embeddings.to(embedded.dtype).expand(len(embedded), -1, -1)
        return torch.cat([embedded[:, :1], own, embedded[:, 1 + len(self):]], 1)


def fresh_embeddings(text_encoder: nn.Module, count: int) -> Tensor:
    """The vocabulary's mean, `count` times [count, width]: words that say nothing in particular.

    Unlike LoRA, soft tokens cannot start as the identity: the words they precede move on.
    """
    vocabulary = text_encoder.get_input_embeddings().weight.detach()
    return vocabulary.float().mean(0).expand(count, -1)


def attach_tokens(text_encoder: nn.Module, embeddings: Tensor) -> SoftTokens:
    """Keeps the tokens with the text encoder, for `condition` to find; replaces earlier ones."""
    detach_tokens(text_encoder)
    tokens = SoftTokens(embeddings).to(text_encoder.device)
    setattr(text_encoder, ATTRIBUTE, tokens)
    return tokens


def detach_tokens(text_encoder: nn.Module) -> None:
    if tokens_of(text_encoder) is not None:
        delattr(text_encoder, ATTRIBUTE)


def tokens_of(text_encoder: nn.Module) -> SoftTokens | None:
    return getattr(text_encoder, ATTRIBUTE, None)


def reserved_tokens(text_encoder: nn.Module) -> int:
    """How many of the tokenizer's places the soft tokens take."""
    tokens = tokens_of(text_encoder)
    return 0 if tokens is None else len(tokens)


@contextmanager
def token_strength(text_encoder: nn.Module, strength: float) -> Iterator[None]:
    """Sets the tokens' strength inside the block, where there are tokens."""
    tokens = tokens_of(text_encoder)
    if tokens is None:
        yield
        return
    before, tokens.strength = tokens.strength, strength
    try:
        yield
    finally:
        tokens.strength = before


@contextmanager
def tokens_in_place(text_encoder: nn.Module, tokens: SoftTokens) -> Iterator[None]:
    """Inside the block, the text encoder reads the tokens in the places 1 to n, whatever ids stand there."""
    hook = text_encoder.get_input_embeddings().register_forward_hook(lambda _module, _ids, output: tokens(output))
    try:
        yield
    finally:
        hook.remove()
