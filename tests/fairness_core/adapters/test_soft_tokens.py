"""Soft tokens stand right after the start token, move nothing else, and leave nothing behind."""

import pytest
import torch
from helpers.fakes import TOKENS, WIDTH, tiny_text_encoder, tiny_tokenizer
from torch import nn

from fairness_core.adapters.soft_tokens import (attach_tokens, detach_tokens, fresh_embeddings, reserved_tokens,
                                                token_strength, tokens_in_place, tokens_of)
from fairness_core.sampling.denoise import PromptError, encode_prompts


@pytest.fixture
def encoder() -> nn.Module:
    return tiny_text_encoder().requires_grad_(False)


def random_embeddings(count: int) -> torch.Tensor:
    return 0.3 * torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(0))


def test_the_words_follow_the_tokens_and_the_padding_gives_way(encoder):
    """As if the tokens were words: their rows written into the vocabulary in place of two letters."""
    tokens = attach_tokens(encoder, random_embeddings(2))
    with torch.no_grad(), tokens_in_place(encoder, tokens):
        found = encode_prompts(tiny_tokenizer(), encoder, ["nurse"], reserved=2)
    letters = tiny_tokenizer()("x y").input_ids[1:3]
    with torch.no_grad():
        encoder.get_input_embeddings().weight[letters] = random_embeddings(2)
        expected = encode_prompts(tiny_tokenizer(), encoder, ["x y nurse"])
    assert found.shape == (1, TOKENS, WIDTH)
    torch.testing.assert_close(found, expected)


def test_only_the_tokens_learn(encoder):
    tokens = attach_tokens(encoder, random_embeddings(3))
    with tokens_in_place(encoder, tokens):
        encode_prompts(tiny_tokenizer(), encoder, ["nurse"], reserved=3).square().sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is not None] == ["soft_tokens.embeddings"]
    assert (tokens.embeddings.grad.norm(dim=1) > 0).all()


def test_after_the_block_the_encoder_reads_words_again(encoder):
    before = encode_prompts(tiny_tokenizer(), encoder, ["nurse"])
    tokens = attach_tokens(encoder, random_embeddings(2))
    with pytest.raises(RuntimeError), tokens_in_place(encoder, tokens):
        raise RuntimeError
    assert torch.equal(encode_prompts(tiny_tokenizer(), encoder, ["nurse"]), before)


def test_detach_leaves_nothing_and_may_be_repeated(encoder):
    names = list(encoder.state_dict())
    attach_tokens(encoder, random_embeddings(2))
    assert (reserved_tokens(encoder), len(encoder.state_dict())) == (2, len(names) + 1)
    attach_tokens(encoder, random_embeddings(4))
    assert reserved_tokens(encoder) == 4
    detach_tokens(encoder)
    detach_tokens(encoder)
    assert tokens_of(encoder) is None and reserved_tokens(encoder) == 0 and list(encoder.state_dict()) == names


def test_strength_comes_back_after_the_block(encoder):
    tokens = attach_tokens(encoder, random_embeddings(2))
    with pytest.raises(RuntimeError), token_strength(encoder, 0.3):
        assert tokens.strength == 0.3
        raise RuntimeError
    assert tokens.strength == 1.0
    detach_tokens(encoder)
    with token_strength(encoder, 0.3):
        assert tokens_of(encoder) is None


def test_they_start_as_the_vocabularys_mean(encoder):
    found = fresh_embeddings(encoder, 5)
    assert found.shape == (5, WIDTH)
    torch.testing.assert_close(found[4], encoder.get_input_embeddings().weight.mean(0))


def test_a_prompt_without_room_behind_the_tokens_is_refused(encoder):
    fits = "x" * (TOKENS - 2 - 3)
    encode_prompts(tiny_tokenizer(), encoder, [fits], reserved=3)
    with pytest.raises(PromptError, match=f"reads {len(fits)} beside the 3 soft tokens"):
        encode_prompts(tiny_tokenizer(), encoder, [fits + "x"], reserved=3)
    encode_prompts(tiny_tokenizer(), encoder, [fits + "x"])
    with pytest.raises(PromptError, match="reads 0 beside"):
        encode_prompts(tiny_tokenizer(), encoder, ["x"], reserved=TOKENS)
