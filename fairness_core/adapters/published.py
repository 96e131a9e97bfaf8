"""The adaptors that the paper's authors published (github.com/sail-sg/finetune-fair-diffusion): PyTorch state dicts.

Three kinds, as their 2-export-checkpoint.py writes them (diffusers 0.19; each also as ..._EMA.pth, the average):
text_encoder_lora.pth: text_model...q_proj.lora_linear_layer.down.weight [rank, in] and .up.weight [out, rank];
unet_lora.pth: ...attn1.processor.to_q_lora.down.weight and .up.weight, also k, v and out;
prefix_embedding.pth: token_embedding.weight [1 + tokens, width], whose first row stands for every other word, and the
model's own position_embedding.weight and position_ids.
Their LoRA has no alpha: it counts once, as with alpha = rank. The diffusers of that time wrote the same names, both
networks in one file, with "text_encoder." or "unet." in front.
"""

from diffusers.utils.state_dict_utils import StateDictType, convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from torch import Tensor

from fairness_core.adapters.files import TOKEN, AdapterError

TEXT_ENCODER, UNET = ".lora_linear_layer.", ".processor.to_"
PREFIX = {"token_embedding.weight", "position_embedding.weight"}


def is_published(names: set[str]) -> bool:
    return bool(names) and (PREFIX <= names or all(TEXT_ENCODER in n or UNET in n for n in names))


def from_published(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in this app's names. Raises AdapterError for a prefix without tokens."""
    if PREFIX <= set(tensors):
        embeddings = tensors["token_embedding.weight"]
        if embeddings.ndim != 2 or len(embeddings) < 2:
            raise AdapterError("The prefix holds no tokens.")
        return {TOKEN: embeddings[1:].clone()}
    text_encoder = convert_state_dict_to_peft(
        {n.removeprefix("text_encoder."): v for n, v in tensors.items() if TEXT_ENCODER in n}, StateDictType.DIFFUSERS)
    unet = convert_unet_state_dict_to_peft({n.removeprefix("unet."): v for n, v in tensors.items() if UNET in n})
    return {f"text_encoder.{n}": v for n, v in text_encoder.items()} | {f"unet.{n}": v for n, v in unet.items()}
