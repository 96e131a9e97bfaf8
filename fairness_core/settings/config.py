"""Settings of a run: frozen dataclasses that pydantic checks, read from and written to YAML."""

from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, FailFast, Field, PlainValidator

from fairness_core.settings.attributes import Attributes, TargetDistribution
from fairness_core.settings.ratios import TargetError, as_marginals, as_table
from fairness_core.settings.validation import (ConfigError, Number, Switch, Text, Texts, Whole, from_mapping, read_yaml,
                                               settings, shortened)

LORA_TARGETS = ("attention", "mlp")
MOST_FILMED = 3  # prompts
MOST_IMAGES_A_STEP = 10_000


@settings
class LossWeights:
    """Weights and factors of METHOD section 3.2: semantics (lambda_img), face (lambda_face), confidence (C)."""

    semantics: Annotated[Number, Field(ge=0, le=10_000, description="0 switches the loss off")] = 8.0
    face: Annotated[Number, Field(ge=0, le=10_000, description="0 switches the loss off")] = 1.0
    confidence: Annotated[Number, Field(ge=0, le=1)] = 0.8


def as_own_target(data: object) -> dict[str, Any]:
    """A target of one prompt: marginals, or {joint: ..., joint_attributes: ...}. Raises TargetError for neither."""
    if isinstance(data, dict) and set(data) == {"joint", "joint_attributes"}:
        names = data["joint_attributes"]
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise TargetError("Write joint_attributes as a list of names.")
        return {"joint": as_table(data["joint"]), "joint_attributes": list(names)}
    return as_marginals(data)


def as_own_targets(data: dict[str, Any]) -> dict[str, dict]:
    """Raises TargetError, which names the prompt."""
    targets = {}
    for prompt, own in data.items():
        try:
            targets[prompt] = as_own_target(own)
        except TargetError as error:
            raise TargetError(f"The target of {shortened(prompt)} cannot be used: {error}") from None
    return targets


@settings
class FinetuneConfig:
    """Everything a finetune needs besides the model.

    marginals: attribute -> class -> ratio (each sums to 1); or `joint`, a nested list over `joint_attributes`.
    targets_by_prompt: prompt -> a target of its own, as marginals or as {joint: ..., joint_attributes: ...}, over the
    same attributes; every other prompt follows the target above.
    kept_prompts: prompts that say who is to be seen ("a male nurse") or otherwise must not move: every step also asks
    one of them for the faces that the original model paints. Those among `prompts` follow the target.
    film_prompts: up to three prompts of which the same noises are painted again and again while it trains; none: the
    first three of `prompts`.
    tune: "text_encoder", "unet" (the denoiser, be it a U-Net or a transformer) or "both" (LoRA), or "tokens"
    (`soft_tokens` learned vectors before the prompt).
    learning_rate_schedule: "constant", or "linear": falling to nothing by the last step.
    lora_rank, lora_alpha: LoRA counts alpha / rank times; alpha 0 means as large as the rank. lora_targets: the text
    encoder's parts that get LoRA, "attention" and "mlp"; the denoiser's are its attention.
    gradient: "adjusted", "naive" or "unscaled".
    sampling_steps: denoising steps of the images trained on; comparison_steps: of those that people look at and that
    are measured (0: as many as sampling_steps).
    guidance_scale: of the images that people look at and that are measured, film strips too; training_guidance_scale: of
    those trained on, from 1 (no guidance: a step is cheaper, as only the prompt is read) to 100, or 0 for the same.
    timesteps_per_update: how many of the sampling_steps carry gradient (0: all).
    unconditional_gradient: whether the empty prompt's branch of the guidance carries gradient too (exact), or not
    (cheaper).
    noise_batches: how many different batches of noises a prompt has (0: a new one every time); the original's
    images of a batch are painted once.
    """

    model: Annotated[Text, Field(min_length=1)] = "mini"
    prompts: Texts = ()
    marginals: Annotated[dict[str, dict[str, float]], PlainValidator(as_marginals)] = field(default_factory=dict)
    joint: Annotated[list | None, PlainValidator(lambda joint: None if joint is None else as_table(joint))] = None
    joint_attributes: Texts = ()
    targets_by_prompt: Annotated[dict[Text, Any], AfterValidator(as_own_targets)] = field(default_factory=dict)
    kept_prompts: Texts = ()
    film_prompts: Annotated[Texts, Field(max_length=MOST_FILMED, description="prompts")] = ()
    tune: Literal["text_encoder", "unet", "both", "tokens"] = "text_encoder"
    lora_rank: Annotated[Whole, Field(ge=1, le=1024)] = 16
    lora_alpha: Annotated[Number, Field(ge=0, le=100_000, description="0: as large as the rank")] = 0.0
    lora_targets: Annotated[tuple[Literal["attention", "mlp"], ...], FailFast(),
                            Field(min_length=1, max_length=2, description="attention, mlp or both")] = LORA_TARGETS
    soft_tokens: Annotated[Whole, Field(ge=1, le=500)] = 5
    learning_rate: Annotated[Number, Field(gt=0, le=10)] = 2e-3
    learning_rate_schedule: Literal["constant", "linear"] = "constant"
    weight_decay: Annotated[Number, Field(ge=0, le=100)] = 0.01
    ema_decay: Annotated[Number, Field(ge=0, lt=1, description="0: no average")] = 0.9
    max_grad_norm: Annotated[Number, Field(gt=0, le=1e9)] = 1.0
    steps: Annotated[Whole, Field(ge=1, le=1_000_000)] = 30
    images_per_prompt: Annotated[Whole, Field(
        ge=2, le=1024, description="a distribution needs more than one image")] = 16
    prompts_per_step: Annotated[Whole, Field(ge=1, le=1000)] = 1
    sampling_steps: Annotated[Whole, Field(ge=1, le=1000)] = 10
    comparison_steps: Annotated[Whole, Field(ge=0, le=1000, description="0: as many as sampling_steps")] = 0
    timesteps_per_update: Annotated[Whole, Field(ge=0, le=1000, description="0: all")] = 3
    guidance_scale: Annotated[Number, Field(ge=1, le=100, description="1: no guidance")] = 1.75
    training_guidance_scale: Annotated[Number, Field(ge=0, le=100, description="0: as guidance_scale")] = 0.0
    gradient: Literal["adjusted", "naive", "unscaled"] = "adjusted"
    unconditional_gradient: Switch = True
    noise_batches: Annotated[Whole, Field(ge=0, le=1_000_000, description="0: new noises every time")] = 2
    seed: Annotated[Whole, Field(ge=0, le=2**63 - 1)] = 0
    film_strip_every: Annotated[Whole, Field(ge=1, le=1_000_000)] = 5
    checkpoint_every: Annotated[Whole, Field(ge=1, le=1_000_000)] = 10
    losses: LossWeights = LossWeights()

    def __post_init__(self) -> None:
        if self.timesteps_per_update > self.sampling_steps:
            raise ConfigError(f"timesteps_per_update is {self.timesteps_per_update}: it must lie between 0 (all) and "
                              f"sampling_steps, {self.sampling_steps}.")
        if 0 < self.training_guidance_scale < 1:
            raise ConfigError(f"training_guidance_scale is {self.training_guidance_scale:g}: it must be 0 (as guidance_scale) or "
                              "at least 1 (no guidance).")
        if (images := self.images_per_prompt * self.prompts_per_step) > MOST_IMAGES_A_STEP:
            raise ConfigError(f"images_per_prompt times prompts_per_step is {images}: a step may paint at most "
                              f"{MOST_IMAGES_A_STEP} images.")

    def target(self, prompt: str | None = None, attributes: Attributes | None = None) -> TargetDistribution:
        """The target of a prompt; without one, of every prompt that has none of its own.

        attributes: what is known, as of `load_attributes`; without it, what the app's own file holds. Raises
        TargetError when the ratios cannot be used.
        """
        if prompt in self.targets_by_prompt:
            return own_target(prompt, self.targets_by_prompt[prompt], self.target(None, attributes), attributes)
        if self.joint is not None:
            return TargetDistribution.from_joint(self.joint_attributes, self.joint, attributes)
        return TargetDistribution.from_marginals(self.marginals, attributes)

    def own_targets(self, attributes: Attributes | None = None) -> dict[str, TargetDistribution]:
        """The targets of the prompts that have their own. Raises TargetError, which names the prompt."""
        return {prompt: self.target(prompt, attributes) for prompt in self.targets_by_prompt}

    @property
    def filmed(self) -> tuple[str, ...]:
        """The prompts that are painted again and again while it trains."""
        return self.film_prompts or self.prompts[:MOST_FILMED]

    @property
    def steps_shown(self) -> int:
        """Denoising steps of the images that people look at and that are measured."""
        return self.comparison_steps or self.sampling_steps

    @property
    def guidance_trained(self) -> float:
        """The guidance scale of the images trained on."""
        return self.training_guidance_scale or self.guidance_scale

    @property
    def reserved_places(self) -> int:
        """How many of the tokenizer's places the adapter takes."""
        return self.soft_tokens if self.tune == "tokens" else 0

    def save(self, path: Path) -> None:
        path.write_text(yaml.safe_dump(to_plain(self), sort_keys=False), encoding="utf-8")


def own_target(prompt: str, data: dict, general: TargetDistribution,
               attributes: Attributes | None = None) -> TargetDistribution:
    """One entry of targets_by_prompt. Raises TargetError, which names the prompt."""
    try:
        if set(data) == {"joint", "joint_attributes"}:
            target = TargetDistribution.from_joint(data["joint_attributes"], data["joint"], attributes)
        else:
            target = TargetDistribution.from_marginals(data, attributes)
    except TargetError as error:
        raise TargetError(f"The target of {shortened(prompt)} cannot be used: {error}") from None
    if target.names != general.names:
        raise TargetError(f"The target of {shortened(prompt)} controls {', '.join(target.names)}, the others "
                          f"{', '.join(general.names)}: control the same attributes in the same order.")
    return target


def to_plain(config: FinetuneConfig) -> dict:
    """The config as YAML-ready data."""
    plain = asdict(config)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def from_plain(data: object) -> FinetuneConfig:
    """The inverse of to_plain. Raises ConfigError for a name that is not a setting, or a value that cannot be one."""
    return from_mapping(FinetuneConfig, data)


def load_config(path: Path) -> FinetuneConfig:
    """Reads a saved run's settings. Raises ConfigError for a file that is not YAML or holds anything else."""
    return from_plain(read_yaml(path))
