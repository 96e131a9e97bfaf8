"""Batches of captions for the U-Net: drawn for every step on a CPU, from pools that were drawn before on a GPU."""

import os
import random
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from mini_world.captions import CaptionSampler
from mini_world.directions import first_tokens
from mini_world.train_clip import token_ids

EMPTY_CAPTIONS = 0.1  # what classifier-free guidance needs
TOLD_WHO = 0.75       # share of portraits that anyone of the concept may be on, told by the embedding alone
DRAWN_AT_ONCE, EMBEDDED_AT_ONCE = 8192, 2048


@dataclass(frozen=True)
class Captions:
    """rows: int [n], the portrait of each caption; tokens: its token ids, int [n, tokens], or their embeddings
    [n, tokens, width]; first: int [n], the token at which the concept begins, 0 where nobody will be told."""

    rows: Tensor
    tokens: Tensor
    first: Tensor

    def embedded(self, text_encoder: CLIPTextModel, dtype: torch.dtype) -> "Captions":
        """With embeddings for tokens, everything on the text encoder's device."""
        device = text_encoder.device
        with torch.no_grad():
            parts = [text_encoder(part.to(device)).last_hidden_state.to(dtype)
                     for part in self.tokens.split(EMBEDDED_AT_ONCE)]
        return Captions(self.rows.to(device), torch.cat(parts), self.first.to(device))


@dataclass(frozen=True)
class CaptionBatch:
    """Captions with embeddings [., tokens, width]: `told` are neutral, of anyone, and are to be told who is shown;
    `plain` say all that the U-Net may know."""

    told: Captions
    plain: Captions


def joined(parts: Iterable[Captions]) -> Captions:
    parts = list(parts)
    return Captions(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Captions)))


def draw(sampler: CaptionSampler, tokenizer: CLIPTokenizer, count: int, rng: random.Random, is_told: bool) -> Captions:
    """Neutral captions of anyone, to be told who; or captions as they are, a tenth of them empty."""
    drawn = [sampler.draw_anyone(rng) if is_told else sampler.draw(rng) for _ in range(count)]
    rows, captions = [i for i, _ in drawn], [caption for _, caption in drawn]
    if is_told:
        first = first_tokens(tokenizer, captions, [sampler.rows[i]["concept"] for i in rows])
    else:
        first = torch.zeros(count, dtype=torch.long)
        captions = ["" if rng.random() < EMPTY_CAPTIONS else caption for caption in captions]
    return Captions(torch.tensor(rows), token_ids(tokenizer, captions), first)


def draw_part(rows: list[dict], tokenizer_folder: Path, count: int, is_told: bool, seed: int) -> Captions:
    """What a worker process draws at once."""
    torch.set_num_threads(1)
    return draw(CaptionSampler(rows), CLIPTokenizer.from_pretrained(tokenizer_folder), count,
                random.Random(f"{is_told} {seed}"), is_told)


def draw_pool(rows: list[dict], tokenizer_folder: Path, count: int, is_told: bool) -> Captions:
    """At least `count` captions, drawn by as many processes as there are cores; the same every time."""
    part = min(count, DRAWN_AT_ONCE)
    seeds = range(-(-count // part))
    with ProcessPoolExecutor(min(len(seeds), os.cpu_count()), get_context("spawn")) as workers:
        return joined(workers.map(partial(draw_part, rows, tokenizer_folder, part, is_told), seeds))


def fresh_batches(rows: list[dict], tokenizer_folder: Path, text_encoder: CLIPTextModel,
                  size: int) -> Callable[[int], CaptionBatch]:
    """Draws and embeds the captions of a step, a function of its number."""
    sampler, tokenizer = CaptionSampler(rows), CLIPTokenizer.from_pretrained(tokenizer_folder)
    told = int(size * TOLD_WHO)

    def batch(step: int) -> CaptionBatch:
        rng = random.Random(step)
        return CaptionBatch(*(draw(sampler, tokenizer, count, rng, is_told).embedded(text_encoder, torch.float32)
                              for count, is_told in ((told, True), (size - told, False))))

    return batch


def pooled_batches(rows: list[dict], tokenizer_folder: Path, text_encoder: CLIPTextModel, size: int,
                   pool_size: int) -> Callable[[int], CaptionBatch]:
    """Draws from pools that were drawn and embedded before, so that a step can be captured as a CUDA graph."""
    told = int(size * TOLD_WHO)
    pools = [(count, draw_pool(rows, tokenizer_folder, int(pool_size * share), is_told).embedded(
        text_encoder, torch.float16)) for count, share, is_told in ((told, TOLD_WHO, True),
                                                                    (size - told, 1 - TOLD_WHO, False))]

    def batch(step: int) -> CaptionBatch:
        return CaptionBatch(*(pick(pool, count) for count, pool in pools))

    return batch


def pick(pool: Captions, count: int) -> Captions:
    """Random ones of a pool, their embeddings in full precision."""
    chosen = torch.randint(len(pool.rows), (count,), device=pool.rows.device)
    return Captions(pool.rows[chosen], pool.tokens[chosen].float(), pool.first[chosen])
