"""LoRA of one network as a file holds it: which layers, of what rank, counting how much."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any

from torch import Tensor

from fairness_core.errors import UserError

MATRIX = re.compile(r"(.+)\.lora_([AB])\.weight")
MODEL_PREFIX = "text_model."  # in CLIP's names before transformers 5; every diffusers reads files with it
# settings of peft's LoraConfig that change nothing in what the finished adapter does, beside those read below
HARMLESS = {"task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
            "inference_mode", "target_modules", "exclude_modules", "lora_dropout", "fan_in_fan_out", "layers_to_transform",
            "layers_pattern", "megatron_config", "megatron_core", "loftq_config", "eva_config", "corda_config",
            "lora_ga_config", "qalora_group_size", "runtime_config", "ensure_weight_tying"}
READ = {"r", "rank_pattern", "lora_alpha", "alpha_pattern", "use_rslora", "bias", "init_lora_weights"}
WORDS = {"use_dora": "DoRA", "lora_bias": "a bias in LoRA (lora_bias)"}
STARTS = ("pissa", "olora", "corda", "loftq", "lora_ga")  # of LoRA that is for changed weights of the base model


class LoraError(UserError):
    """LoRA that cannot be read; the message says what it uses."""


@dataclass(frozen=True)
class LoraPart:
    """LoRA of one network: its tensors by the network's own names, and each layer's alpha.

    A layer's output gains alpha / rank times B A x. rank, alpha: those that most layers have.
    """

    tensors: dict[str, Tensor]
    alphas: dict[str, float]

    @cached_property
    def ranks(self) -> dict[str, int]:
        return ranks_of(self.tensors)

    @property
    def rank(self) -> int:
        return most_common(self.ranks.values())

    @property
    def alpha(self) -> float:
        return most_common(self.alphas.values())

    def with_alpha(self, alpha: float | None = None) -> dict[str, Tensor]:
        """The same LoRA with this alpha in all layers, or with each layer's rank as its alpha: B makes up for it."""
        scales = {layer: self.alphas[layer] / (alpha or rank) for layer, rank in self.ranks.items()}
        return {name: value * scales[layer_of(name)] if ".lora_B." in name else value
                for name, value in self.tensors.items()}


def most_common(values: Iterable[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]


def layer_of(name: str) -> str:
    return name.rpartition(".lora_")[0]


def ranks_of(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Each layer's rank, by whichever of its matrices is there."""
    return {layer_of(name): value.shape[0] if ".lora_A." in name else value.shape[1] for name, value in tensors.items()}


def own_name(name: str, is_denoiser: bool) -> str:
    """A layer's or tensor's name below its network; of a text encoder, with CLIP's older prefix."""
    if is_denoiser or name.startswith("text_projection"):
        return name
    return MODEL_PREFIX + name.removeprefix(MODEL_PREFIX)


def read_part(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> LoraPart:
    """tensors: by the network's own names (see own_name); settings: as in peft's LoraConfig, empty for none.

    Without lora_alpha, a layer's alpha is its rank, as diffusers has it; an alpha of 0 is strength 0. rsLoRA divides by
    the root of the rank, which is told here by a larger alpha.
    Raises LoraError for matrices that do not belong together, and for kinds beside LoRA and rsLoRA.
    """
    check_settings(settings)
    if foreign := next((name for name in tensors if not MATRIX.fullmatch(name)), None):
        raise LoraError(f"{foreign} is {kind_of(foreign)}, and only plain LoRA and rsLoRA are read.")
    check_matrices(tensors)
    ranks = ranks_of(tensors)
    return LoraPart(dict(tensors), {layer: alpha_of(layer, rank, settings) for layer, rank in ranks.items()})


def check_matrices(tensors: Mapping[str, Tensor]) -> None:
    """A layer with one of the two alone is left to whoever knows the network: none has it."""
    for name, value in tensors.items():
        layer = layer_of(name)
        one, other = (tensors.get(f"{layer}.lora_{half}.weight") for half in "AB")
        both = one is not None and other is not None
        if value.ndim < 2 or not value.numel() or both and (other.ndim < 2 or len(one) != other.shape[1]):
            raise LoraError(f"every layer must have one rank and one alpha, and {layer} has not.")


def kind_of(name: str) -> str:
    """What a tensor that is neither A nor B is called."""
    kinds = {"lora_magnitude_vector": "DoRA", "lora_B.bias": WORDS["lora_bias"], "lora_embedding": "LoRA of an embedding"}
    return next((kind for part, kind in kinds.items() if part in name), "no part of LoRA")


def check_settings(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if value and name not in HARMLESS | READ:
            raise LoraError(f"it uses {WORDS.get(name, name)}, and only plain LoRA and rsLoRA are read.")
    if settings.get("bias") not in (None, "none"):
        raise LoraError("it changes biases of the model (bias), and only plain LoRA and rsLoRA are read.")
    if str(settings.get("peft_type") or "LORA") != "LORA":
        raise LoraError(f"it is {settings['peft_type']}, and only plain LoRA and rsLoRA are read.")
    if str(settings.get("init_lora_weights")).lower().startswith(STARTS):
        raise LoraError(f"it was trained beside changed weights of its model ({settings['init_lora_weights']}): save it "
                        "converted to plain LoRA, as peft's documentation tells.")


def alpha_of(layer: str, rank: int, settings: Mapping[str, Any]) -> float:
    alpha = settings.get("lora_alpha")
    if patterns := settings.get("alpha_pattern"):
        try:  # as peft matches them: a layer's whole name, or its end after a dot; the first counts
            alpha = next((v for k, v in patterns.items() if re.match(rf"(.*\.)?({k})$", layer)), alpha)
        except (AttributeError, re.error):  # no table, or no patterns in it
            raise LoraError("its alpha_pattern cannot be read.") from None
    if alpha is None and not settings.get("use_rslora"):
        return rank
    if not isinstance(alpha, int | float):
        raise LoraError(f"every layer must have one rank and one alpha, and {layer} has not.")
    return alpha * sqrt(rank) if settings.get("use_rslora") else alpha
