"""What is tuned: LoRA on the text encoder, the denoiser or both, or soft prompt tokens. Attach, scale, save, load, merge.

`model` is anything with a `text_encoder` and a `unet` or `transformer`: a fairness_core Model or a diffusers pipeline.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fairness_core.adapters.base_model import base_of, misfit
from fairness_core.adapters.files import (DENOISER_TOWERS, TEXT_TOWERS, TOWERS, AdapterError, AdapterFile, read_adapter,
                                          write_lora, write_tokens)
from fairness_core.adapters.lora import (attach_lora, detach_lora, load_lora, lora_settings, lora_strength,
                                         lora_tensors, merge_lora)
from fairness_core.adapters.lora_part import MODEL_PREFIX, LoraPart
from fairness_core.adapters.soft_tokens import attach_tokens, detach_tokens, fresh_embeddings, token_strength, tokens_of
from fairness_core.denoisers.kinds import denoiser_in

__all__ = ["AdapterError", "adapter_strength", "attach_adapter", "detach_adapter", "load_adapter", "merge_adapter",
           "save_adapter"]

LORA_TOWERS = {"text_encoder": TEXT_TOWERS, "unet": DENOISER_TOWERS, "both": TOWERS}
TEXT_ENCODER_LAYERS = {"attention": ("q_proj", "k_proj", "v_proj", "out_proj"), "mlp": ("fc1", "fc2")}
FROZEN = ("t5",)  # kinds of text encoder, as transformers names them, that get no adapter


def attach_adapter(model: Any, tune: str, *, rank: int, alpha: float, targets: Sequence[str], soft_tokens: int,
                   seed: int) -> list[nn.Parameter]:
    """Adds a fresh adapter and returns its trainable float32 parameters, text encoder before denoiser.

    tune: "text_encoder" (both CLIPs where there are two), "unet" (the denoiser, be it a U-Net or a transformer) or "both"
    (LoRA), or "tokens" (as many as `soft_tokens`).
    rank, alpha: of LoRA, whose outputs count alpha / rank times. targets: the text encoder's parts that get LoRA,
    of "attention" and "mlp"; the denoiser's are its attention. LoRA starts as the identity, drawn by `seed`; tokens
    start as the vocabulary's mean. An adapter attached earlier is removed first.
    """
    detach_adapter(model)
    if tune == "tokens":
        tokens = attach_tokens(model.text_encoder, fresh_embeddings(model.text_encoder, soft_tokens))
        return [tokens.embeddings]
    encoder_layers = [name for part in targets for name in TEXT_ENCODER_LAYERS[part]]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return [parameter for tower in towers_of(model) if tower in LORA_TOWERS[tune]
                for parameter in attach_lora(getattr(model, tower), rank, alpha,
                                             encoder_layers if tower in TEXT_TOWERS else denoiser_in(model).layers)]


def towers_of(model: Any) -> list[str]:
    """The networks of the model that may get LoRA."""
    networks = {tower: getattr(model, tower, None) for tower in TOWERS}
    return [tower for tower, network in networks.items()
            if network is not None and getattr(getattr(network, "config", None), "model_type", "") not in FROZEN]


def detach_adapter(model: Any) -> None:
    """Removes the adapter of any kind, if there is one; the model is as it was loaded."""
    for tower in towers_of(model):
        detach_lora(getattr(model, tower))
    detach_tokens(model.text_encoder)


@contextmanager
def adapter_strength(model: Any, strength: float) -> Iterator[None]:
    """How much the adapter counts inside the block: 0 is the original model, 1 the adapter as trained, up to 1.5.

    LoRA's contribution is multiplied by it; soft tokens' prompt embeddings are interpolated (see `condition`).
    """
    with ExitStack() as stack:
        for tower in towers_of(model):
            stack.enter_context(lora_strength(getattr(model, tower), strength))
        stack.enter_context(token_strength(model.text_encoder, strength))
        yield


def save_adapter(model: Any, folder: Path) -> Path:
    """Writes the attached adapter for a stock diffusers pipeline, atomically; returns the file.

    LoRA goes to pytorch_lora_weights.safetensors (load_lora_weights), soft tokens to learned_embeds.safetensors
    (load_textual_inversion(..., token="<fair>"), then "<fair> " before the prompt). Raises OSError on a full disk.
    """
    tokens, base = tokens_of(model.text_encoder), base_of(model)
    if tokens is not None:
        return write_tokens(folder, tokens.embeddings, base)
    lora = {tower: tensors for tower in towers_of(model) if (tensors := lora_tensors(getattr(model, tower)))}
    settings = {tower: lora_settings(getattr(model, tower)) for tower in lora}
    whole = settings if all(settings.values()) else {}  # diffusers reads those of every network, or of none
    return write_lora(folder, lora, base, whole)


def load_adapter(model: Any, path: Path) -> None:
    """Attaches the adapter in a safetensors file, frozen, replacing any other; the file tells its kind.

    Raises AdapterError for a file that cannot be read, is of no known kind (see `read_adapter`), or was made for a
    model of another kind or shape; the model is then without adapter.
    """
    detach_adapter(model)
    attach_file(model, path, read_adapter(path))


def attach_file(model: Any, path: Path, file: AdapterFile) -> None:
    check_base(model, path, file)
    if file.tokens is not None:
        check_tokens(model.text_encoder, path, file.tokens.shape)
        attach_tokens(model.text_encoder, file.tokens).requires_grad_(False)
    for tower, part in file.lora.items():
        network = getattr(model, tower)
        if wrong := load_lora(network, named_for(network, part)):
            detach_adapter(model)
            raise AdapterError(f"{path.name} was made for another model: {wrong} does not fit.")


def named_for(network: nn.Module, part: LoraPart) -> LoraPart:
    """The part by the names that this network has: transformers 5 has left out a prefix of CLIP's."""
    if hasattr(network, "text_model"):
        return part
    return LoraPart(*({name.removeprefix(MODEL_PREFIX): value for name, value in values.items()}
                      for values in (part.tensors, part.alphas)))


def check_base(model: Any, path: Path, file: AdapterFile) -> None:
    """Raises AdapterError for an adapter of another kind of model.

    Where the file does not say what it was made for, its layers do: those of one text encoder alone are not SDXL's,
    whose first encoder is as wide as SD 1.x's.
    """
    other = misfit(file.base, base_of(model))
    if not other and "text_encoder_2" in file.lora and len(text_encoders(model)) < 2:
        other = "was made for another model: this one has no second text encoder."
    if not other and (foreign := set(file.lora) - set(towers_of(model))):
        other = f"was made for another model: this one has no {min(foreign).replace('unet', 'U-Net')}."
    if not other and len(text_encoders(model)) > 1:
        if file.tokens is not None:
            other = "holds soft tokens, and this model has two text encoders: they are for models with one."
        elif not file.base.kind and set(file.lora) == {"text_encoder"}:
            other = "was made for another model: for one text encoder, and this one has two."
    if other:
        raise AdapterError(f"{path.name} {other}")


def text_encoders(model: Any) -> list[str]:
    return [tower for tower in towers_of(model) if tower in TEXT_TOWERS]


def check_tokens(text_encoder: nn.Module, path: Path, shape: torch.Size) -> None:
    """Raises AdapterError for tokens of another width, or so many that no prompt fits behind them."""
    width = text_encoder.get_input_embeddings().weight.shape[1]
    if shape[1] != width:
        raise AdapterError(f"{path.name} was made for another model: its soft tokens have {shape[1]} numbers each, "
                           f"this model's words have {width}.")
    most = text_encoder.config.max_position_embeddings - 3  # start, end, and one word
    if shape[0] > most:
        raise AdapterError(f"{path.name} holds {shape[0]} soft tokens and this model has room for {most}.")


def merge_adapter(model: Any, path: Path, strength: float = 1.0) -> None:
    """Adds the LoRA in a file to the model's own weights, `strength` times (0 to 1.5); no adapter is left attached.

    Raises AdapterError as load_adapter does, and for soft tokens, which are no part of the weights.
    """
    file = read_adapter(path)
    if file.tokens is not None:
        raise AdapterError(f"{path.name} holds soft tokens, which stand before the prompt and cannot be merged into "
                           "the weights: load them beside the model instead.")
    detach_adapter(model)
    attach_file(model, path, file)
    with adapter_strength(model, strength):
        for tower in file.lora:
            merge_lora(getattr(model, tower))
