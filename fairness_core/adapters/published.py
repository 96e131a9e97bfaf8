"""The adaptors that the paper's authors published (github.com/sail-sg/finetune-fair-diffusion): PyTorch state dicts.

Three kinds, as their 2-export-checkpoint.py writes them (diffusers 0.19; each also as ..._EMA.pth, the average):
text_encoder_lora.pth: text_model...q_proj.lora_linear_layer.down.weight [rank, in] and .up.weight [out, rank];
unet_lora.pth: ...attn1.processor.to_q_lora.down.weight and .up.weight, also k, v and out;
prefix_embedding.pth: token_embedding.weight [1 + tokens, width], whose first row stands for every other word, and the
model's own position_embedding.weight and position_ids.
Their LoRA has no alpha: it counts once, as with alpha = rank. The diffusers of that time wrote the same names, all
networks in one file, with "text_encoder.", "text_encoder_2." or "unet." in front; later ones ...to_q.lora.down.weight.
"""

import re

from diffusers.utils.state_dict_utils import StateDictType, convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from torch import Tensor

from fairness_core.adapters.files import TOKEN, TOWERS, AdapterError

HALF = re.compile(r".+(_lora|\.lora|\.lora_linear_layer)\.(down|up)\.weight")
PREFIX = {"token_embedding.weight", "position_embedding.weight"}


def is_published(names: set[str]) -> bool:
    return bool(names) and (PREFIX <= names or all(map(HALF.fullmatch, names)))


def from_published(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in this app's names. Raises AdapterError for a prefix without tokens."""
    if PREFIX <= set(tensors):
        embeddings = tensors["token_embedding.weight"]
        if embeddings.ndim != 2 or len(embeddings) < 2:
            raise AdapterError("The prefix holds no tokens.")
        return {TOKEN: embeddings[1:].clone()}
    towers: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        tower = tower_of(name)
        towers.setdefault(tower, {})[name.removeprefix(f"{tower}.")] = value
    return {f"{tower}.{name}": value for tower, own in towers.items() for name, value in renamed(tower, own).items()}


def tower_of(name: str) -> str:
    first = name.partition(".")[0]
    return first if first in TOWERS else "text_encoder" if ".lora_linear_layer." in name else "unet"


def renamed(tower: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if tower == "unet":
        return convert_unet_state_dict_to_peft(tensors)
    for kind in (StateDictType.DIFFUSERS_OLD, StateDictType.DIFFUSERS):
        tensors = convert_state_dict_to_peft(tensors, kind)
    return tensors
