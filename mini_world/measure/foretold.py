"""What the text encoder foretells of who a prompt shows, read from its embeddings: no picture is painted.

The built-in text encoder was taught to foretell gender, race and age along fixed directions (mini_world.directions).
After finetuning, the same numbers tell how far a bias has gone, on any word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from fairness_core.adapters.attach import attach_file
from fairness_core.adapters.files import TEXT_TOWERS, AdapterError, AdapterFile, read_adapter
from fairness_core.adapters.soft_tokens import tokens_of
from fairness_core.metrics.must_not_move import load_panel
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import encode_prompts
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.prompts import load_concepts, prompt_for, prompts_of_groups
from mini_world.captions import AGE_WORDS, GENDER_WORDS, RACE_WORDS
from mini_world.directions import directions, read

TOGETHER = 64  # prompts encoded at once
NAMING = {"gender": GENDER_WORDS | {"female": ("female", "woman"), "male": ("male", "man")}, "race": RACE_WORDS,
          "age": AGE_WORDS}
FINETUNED, HELD_OUT = "finetuned concepts", "held-out concepts"
NEW_FINETUNED, NEW = "finetuned words the model never saw", "other words the model never saw"
KEPT, ONLY_MEASURED = "named people, kept while finetuning", "named people, only measured"


@dataclass(frozen=True)
class TextModel:
    """The built-in model without its painter, as adapters and `condition` need it."""

    tokenizer: CLIPTokenizer
    text_encoder: nn.Module


def load_text_model(folder: Path = ASSETS / "mini") -> TextModel:
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    return TextModel(CLIPTokenizer.from_pretrained(folder / "tokenizer"), encoder.eval().requires_grad_(False))


def attach_text_adapter(model: TextModel, path: Path) -> None:
    """Attaches what the adapter file holds for the text encoder.

    Raises AdapterError for a file that cannot be read, is another model's, or tunes the U-Net alone.
    """
    file = read_adapter(path)
    own = {tower: part for tower, part in file.lora.items() if tower in TEXT_TOWERS}
    if file.tokens is None and not own:
        raise AdapterError(f"{path.name} tunes the U-Net alone: the embeddings stay as they are, so nothing can be "
                           "read from them. Compare pictures instead: python -m fairness_core evaluate.")
    attach_file(model, path, AdapterFile(own, file.tokens))


def embeddings_of(model: TextModel, prompts: Sequence[str]) -> Tensor:
    """[n, tokens, width], by the adapter attached if any; carries gradient where torch records it."""
    if tokens_of(model.text_encoder) is not None:
        return torch.cat([condition(model, prompt, 1.0).conditional for prompt in prompts])
    parts = [list(prompts[i:i + TOGETHER]) for i in range(0, len(prompts), TOGETHER)]
    return torch.cat([encode_prompts(model.tokenizer, model.text_encoder, part) for part in parts])


def mean_after_end(model: TextModel, embeddings: Tensor, prompts: Sequence[str]) -> Tensor:
    """Mean embedding [n, width] over the tokens that know the whole prompt: its end and the padding behind it."""
    soft = tokens_of(model.text_encoder)
    ends = torch.tensor([len(ids) - 1 for ids in model.tokenizer(list(prompts)).input_ids])
    after = torch.arange(embeddings.shape[1]) >= (ends + (0 if soft is None else len(soft)))[:, None]
    return (embeddings * after[..., None]).sum(1) / after.sum(1, keepdim=True)


def read_centred(embeddings: Tensor) -> dict[str, Tensor]:
    """Logits by attribute [n, classes] whose mean over the classes is zero; for two classes half the log-odds each."""
    logits = read(embeddings, directions(embeddings.shape[-1]))
    return {name: values - values.mean(-1, keepdim=True) for name, values in logits.items()}


@torch.no_grad()
def foretold(model: TextModel, prompts: Sequence[str]) -> dict[str, Tensor]:
    """`read_centred` of each prompt, attribute -> [n, classes], by the adapter attached if any."""
    return read_centred(mean_after_end(model, embeddings_of(model, prompts), prompts))


def prompt_groups(finetuned: Sequence[str]) -> dict[str, list[str]]:
    """Prompts that name nobody, by what finetuning on the prompts `finetuned` knew of them; groups of under two
    prompts are left out."""
    concepts = load_concepts()
    known = list(map(prompt_for, concepts.train + concepts.held_out))
    new = [prompt for prompt in map(prompt_for, load_concepts(ASSETS / "prompts" / "sd15.yaml").groups["occupations"].all)
           if prompt not in known]
    groups = {FINETUNED: [p for p in known if p in finetuned],
              HELD_OUT: [p for p in known if p not in finetuned],
              NEW_FINETUNED: [p for p in finetuned if p not in known],
              NEW: [p for p in new if p not in finetuned]}
    return {name: prompts for name, prompts in groups.items() if len(prompts) > 1}


def named_groups() -> dict[str, dict[str, dict[str, str]]]:
    """group -> prompt -> attribute -> the class that the prompt names."""
    return {KEPT: {prompt: named_in(prompt) for prompt in prompts_of_groups("kept.yaml", ["named people"])},
            ONLY_MEASURED: {entry.prompt: entry.named for entry in load_panel() if entry.named}}


def named_in(prompt: str) -> dict[str, str]:
    """attribute -> class, of the words in a prompt that name one."""
    return {attribute: name for attribute, words in NAMING.items() for name, spoken in words.items()
            if re.search(rf"\b({'|'.join(spoken)})\b", prompt, re.IGNORECASE)}
