"""The few directions of the text embedding that say who is shown, shared by all concepts and all words.

Large text encoders come to such directions by their data; 44 concepts are too few for it. The text encoder is taught
to foretell gender, race and age along them, and the U-Net to look for them there and nowhere else: so a bias unlearned
on some concepts is unlearned on others.
"""

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


def believable_logits(labels: dict[str, Tensor]) -> Tensor:
    """Random logits [n, classes of all attributes] for which the labels (attribute -> class index [n]) are a fair draw:
    of rows with these logits, softmax(logits) are so.

    Logits come first, then the class that they draw; exchanging that class's logit with the label's is then the same
    as waiting for logits that draw the label, since no class is treated differently from another.
    """
    parts = []
    for name, classes in CLASSES.items():
        shown = labels[name]
        logits = any_logits(len(shown), len(classes), shown.device)
        drawn = (logits - torch.log(-torch.log(inner_uniform(logits)))).argmax(1)  # Gumbel: a draw by softmax
        where, shown = drawn[:, None], shown[:, None]
        of_drawn, of_shown = logits.gather(1, where), logits.gather(1, shown)
        parts.append(logits.scatter(1, where, of_shown).scatter(1, shown, of_drawn))
    return torch.cat(parts, 1)


def any_logits(count: int, classes: int, device: torch.device) -> Tensor:
    """[count, classes] of three kinds: as a word that names a class gives them, as a concept does, or anyhow."""
    uniform = lambda *shape: torch.rand(count, *shape, device=device)
    even = lambda *shape: 2 * uniform(*shape) - 1
    one = torch.randint(classes, (count, 1), device=device) == torch.arange(classes, device=device)
    named, other = NAMED_LOGITS
    as_named = torch.where(one, named, other)
    as_leaning = WIDEST_LEAD * uniform(1) * (one.float() - 1 / classes) + WIDEST_OTHERS * even(classes)
    anyhow = torch.where(uniform(1) < 0.5, *WIDEST_LOGITS) * even(classes)
    kind = uniform(1)
    return torch.where(kind < NAMED, as_named, torch.where(kind < NAMED + LEANING, as_leaning, anyhow))


def inner_uniform(like: Tensor) -> Tensor:
    """Uniform numbers of the same shape, never 0 or 1."""
    return torch.rand_like(like).clamp(1e-9, 1 - 1e-7)
