"""The few directions of the text embedding that say who is shown, shared by all concepts and all words.

Large text encoders come to such directions by their data; 44 concepts are too few for it. The text encoder is taught
to foretell gender, race and age along them, and the U-Net to look for them there and nowhere else: so a bias unlearned
on some concepts is unlearned on others.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mini_world.portraits import CLASSES

LOGIT_GAIN = 0.4  # small, so that who is shown takes up much of the embedding
WIDEST_LOGITS = (2.0, 4.5)  # of concepts, and of words that name who is shown
NAMED = 0.4  # share of logits as a word that names a class gives them, which random ones hardly ever are
NAMED_LOGITS = (4.3, -1.5)  # of the named class and of the others, as the text encoder foretells them
LEANING = 0.35  # share of logits as a concept gives them: one class leads, the others are nearly alike
WIDEST_LEAD, WIDEST_OTHERS = 4.0, 0.5  # the most it leads by; the most the others differ from their middle


def directions(text_width: int) -> Tensor:
    """Orthonormal rows [classes of all attributes, text_width], the same every time."""
    count = sum(map(len, CLASSES.values()))
    return nn.init.orthogonal_(torch.empty(count, text_width), generator=torch.Generator().manual_seed(3))


def read(embeddings: Tensor, rows: Tensor) -> dict[str, Tensor]:
    """Class logits by attribute [..., classes] of embeddings [..., text_width]."""
    logits = LOGIT_GAIN * (embeddings @ rows.T).float()
    return dict(zip(CLASSES, logits.split([len(classes) for classes in CLASSES.values()], dim=-1)))


def first_tokens(tokenizer, captions: Sequence[str], concepts: Sequence[str]) -> Tensor:
    """Where each caption's concept begins, int [n]: from there on a causal text encoder knows of it."""
    before = [caption[:caption.index(concept)].strip() for caption, concept in zip(captions, concepts, strict=True)]
    return torch.tensor([len(ids) - 1 for ids in tokenizer(before).input_ids])


def write(embeddings: Tensor, rows: Tensor, logits: Tensor, first: Tensor) -> Tensor:
    """Embeddings [n, tokens, text_width] that read as logits [n, classes of all attributes] from token first [n] on."""
    change = (logits / LOGIT_GAIN)[:, None] @ rows - embeddings @ rows.T @ rows
    after = torch.arange(embeddings.shape[1], device=embeddings.device) >= first[:, None]
    return embeddings + change * after[..., None]


def believable_logits(row: dict, rng: random.Random) -> list[float]:
    """Random logits for which the row's classes are a fair draw: of rows with these logits, softmax(logits) are so."""
    logits: list[float] = []
    for name, classes in CLASSES.items():
        while True:
            kind, = rng.choices((named_logits, leaning_logits, wide_logits), (NAMED, LEANING, 1 - NAMED - LEANING))
            drawn = kind(len(classes), rng)
            probabilities = torch.tensor(drawn).softmax(0).tolist()
            if rng.choices(classes, probabilities)[0] == row[name]:
                break
        logits += drawn
    return logits


def named_logits(classes: int, rng: random.Random) -> list[float]:
    named, other = NAMED_LOGITS
    which = rng.randrange(classes)
    return [named if k == which else other for k in range(classes)]


def leaning_logits(classes: int, rng: random.Random) -> list[float]:
    lead, which = rng.uniform(0, WIDEST_LEAD), rng.randrange(classes)
    return [(lead if k == which else 0) - lead / classes + rng.uniform(-WIDEST_OTHERS, WIDEST_OTHERS)
            for k in range(classes)]


def wide_logits(classes: int, rng: random.Random) -> list[float]:
    widest = rng.choice(WIDEST_LOGITS)
    return [rng.uniform(-widest, widest) for _ in range(classes)]
