"""Settings of a run: frozen dataclasses, read from and written to YAML."""

import math
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path

import yaml

from fairness_core.settings.attributes import TargetDistribution, TargetError


class ConfigError(ValueError):
    """Settings that cannot be used; the message says what to change."""


def check_numbers(settings: object) -> None:
    """Raises ConfigError where a dataclass's int or float field holds anything else, or is not finite."""
    for f in fields(settings):
        value = getattr(settings, f.name)
        if f.type is int and (not isinstance(value, Integral) or isinstance(value, bool)):
            raise ConfigError(f"{f.name} is {value!r}: it must be a whole number.")
        if f.type is float and not (isinstance(value, Real) and math.isfinite(value)):
            raise ConfigError(f"{f.name} is {value!r}: it must be a number (in YAML, write 0.002 and not 2e-3).")


@dataclass(frozen=True)
class LossWeights:
    """Weights and factors of METHOD section 3.2: semantics (lambda_img), face (lambda_face), confidence (C)."""

    semantics: float = 8.0
    face: float = 1.0
    confidence: float = 0.8

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.semantics < 0 or self.face < 0:
            raise ConfigError("The loss weights must not be negative: 0 switches a loss off.")
        if not 0 <= self.confidence <= 1:
            raise ConfigError(f"The transport confidence is {self.confidence}: it must lie between 0 and 1.")


TUPLES = ("prompts", "kept_prompts", "joint_attributes", "lora_targets")  # YAML knows lists only
TUNABLE = ("text_encoder", "unet", "both", "tokens")
LORA_TARGETS = ("attention", "mlp")
SCHEDULES = ("constant", "linear")
POSITIVE = ("lora_rank", "soft_tokens", "learning_rate", "max_grad_norm", "steps", "images_per_prompt",
            "prompts_per_step", "sampling_steps", "film_strip_every", "checkpoint_every")


@dataclass(frozen=True)
class FinetuneConfig:
    """Everything a finetune needs besides the model.

    marginals: attribute -> class -> ratio (each sums to 1); or `joint`, a nested list over `joint_attributes`.
    targets_by_prompt: prompt -> a target of its own, as marginals or as {joint: ..., joint_attributes: ...}, over the
    same attributes; every other prompt follows the target above.
    kept_prompts: prompts that say who is to be seen ("a male nurse") or otherwise must not move: every step also asks
    one of them for the faces that the original model paints. Those among `prompts` follow the target.
    tune: "text_encoder", "unet" or "both" (LoRA), or "tokens" (`soft_tokens` learned vectors before the prompt).
    learning_rate_schedule: "constant", or "linear": falling to nothing by the last step.
    lora_rank, lora_alpha: LoRA counts alpha / rank times; alpha 0 means as large as the rank. lora_targets: the text
    encoder's parts that get LoRA, "attention" and "mlp"; the U-Net's are its attention.
    gradient: "adjusted", "naive" or "unscaled".
    sampling_steps: denoising steps of the images trained on; comparison_steps: of those that people look at and that
    are measured (0: as many as sampling_steps).
    timesteps_per_update: how many of the sampling_steps carry gradient (0: all).
    unconditional_gradient: whether the empty prompt's branch of the guidance carries gradient too (exact), or not
    (cheaper).
    noise_batches: how many different batches of noises a prompt has (0: a new one every time); the original's
    images of a batch are painted once.
    """

    model: str = "mini"
    prompts: tuple[str, ...] = ()
    marginals: dict[str, dict[str, float]] = field(default_factory=dict)
    joint: list | None = None
    joint_attributes: tuple[str, ...] = ()
    targets_by_prompt: dict[str, dict] = field(default_factory=dict)
    kept_prompts: tuple[str, ...] = ()
    tune: str = "text_encoder"
    lora_rank: int = 16
    lora_alpha: float = 0.0
    lora_targets: tuple[str, ...] = LORA_TARGETS
    soft_tokens: int = 5
    learning_rate: float = 2e-3
    learning_rate_schedule: str = "constant"
    weight_decay: float = 0.01
    ema_decay: float = 0.9
    max_grad_norm: float = 1.0
    steps: int = 30
    images_per_prompt: int = 16
    prompts_per_step: int = 1
    sampling_steps: int = 10
    comparison_steps: int = 0
    timesteps_per_update: int = 3
    guidance_scale: float = 1.75
    gradient: str = "adjusted"
    unconditional_gradient: bool = True
    noise_batches: int = 2
    seed: int = 0
    film_strip_every: int = 5
    checkpoint_every: int = 10
    losses: LossWeights = LossWeights()

    def __post_init__(self) -> None:
        check_numbers(self)
        for name in POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must be above 0.")
        for name in ("weight_decay", "noise_batches", "seed", "lora_alpha", "comparison_steps"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must not be negative.")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"ema_decay is {self.ema_decay}: it must be at least 0 (no average) and below 1.")
        if self.guidance_scale < 1:
            raise ConfigError(f"guidance_scale is {self.guidance_scale}: use 1 (no guidance) or more.")
        if self.tune not in TUNABLE:
            raise ConfigError(f"Cannot tune {self.tune!r}: choose {', '.join(TUNABLE)}.")
        if self.learning_rate_schedule not in SCHEDULES:
            raise ConfigError(f"Unknown learning_rate_schedule {self.learning_rate_schedule!r}: "
                              f"choose {' or '.join(SCHEDULES)}.")
        if not isinstance(self.lora_targets, tuple) or not set() < set(self.lora_targets) <= set(LORA_TARGETS):
            raise ConfigError(f"lora_targets is {self.lora_targets!r}: list one or both of {', '.join(LORA_TARGETS)}.")
        if self.images_per_prompt < 2:
            raise ConfigError("images_per_prompt must be at least 2: a distribution needs more than one image.")
        if self.gradient not in ("adjusted", "naive", "unscaled"):
            raise ConfigError(f"Unknown gradient {self.gradient!r}: choose adjusted, naive or unscaled.")
        if not isinstance(self.targets_by_prompt, dict):
            raise ConfigError(f"targets_by_prompt is {self.targets_by_prompt!r}: write 'prompt: target' lines.")
        if not 0 <= self.timesteps_per_update <= self.sampling_steps:
            raise ConfigError(f"timesteps_per_update must lie between 0 (all) and {self.sampling_steps}.")

    def target(self, prompt: str | None = None) -> TargetDistribution:
        """The target of a prompt; without one, of every prompt that has none of its own.

        Raises TargetError when the ratios cannot be used.
        """
        if prompt in self.targets_by_prompt:
            return own_target(prompt, self.targets_by_prompt[prompt], self.target())
        if self.joint is not None:
            return TargetDistribution.from_joint(self.joint_attributes, self.joint)
        return TargetDistribution.from_marginals(self.marginals)

    def own_targets(self) -> dict[str, TargetDistribution]:
        """The targets of the prompts that have their own. Raises TargetError, which names the prompt."""
        return {prompt: self.target(prompt) for prompt in self.targets_by_prompt}

    @property
    def steps_shown(self) -> int:
        """Denoising steps of the images that people look at and that are measured."""
        return self.comparison_steps or self.sampling_steps

    @property
    def reserved_places(self) -> int:
        """How many of the tokenizer's places the adapter takes."""
        return self.soft_tokens if self.tune == "tokens" else 0

    def save(self, path: Path) -> None:
        path.write_text(yaml.safe_dump(to_plain(self), sort_keys=False))


def own_target(prompt: str, data: dict, general: TargetDistribution) -> TargetDistribution:
    """One entry of targets_by_prompt. Raises TargetError, which names the prompt."""
    try:
        if isinstance(data, dict) and set(data) == {"joint", "joint_attributes"}:
            target = TargetDistribution.from_joint(data["joint_attributes"], data["joint"])
        else:
            target = TargetDistribution.from_marginals(data)
    except TargetError as error:
        raise TargetError(f"The target of {prompt!r} cannot be used: {error}") from None
    if target.names != general.names:
        raise TargetError(f"The target of {prompt!r} controls {', '.join(target.names)}, the others "
                          f"{', '.join(general.names)}: control the same attributes in the same order.")
    return target


def to_plain(config: FinetuneConfig) -> dict:
    """The config as YAML-ready data."""
    plain = asdict(config)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def from_plain(data: dict) -> FinetuneConfig:
    """The inverse of to_plain. Raises ConfigError for a name that is not a setting, or a value that cannot be one."""
    check_names(FinetuneConfig, data)
    data = {k: tuple(v) if isinstance(v, list) and k in TUPLES else v for k, v in data.items()}
    if isinstance(data.get("losses"), dict):
        check_names(LossWeights, data["losses"])
        data["losses"] = LossWeights(**data["losses"])
    return FinetuneConfig(**data)


def check_names(kind: type, data: object) -> None:
    """Raises ConfigError unless `data` is a mapping whose keys are all fields of the dataclass `kind`."""
    if not isinstance(data, dict):
        raise ConfigError(f"Settings must be a list of 'name: value' lines, not {data!r}.")
    known = {f.name for f in fields(kind)}
    if unknown := set(data) - known:
        raise ConfigError(f"Unknown setting {min(unknown, key=str)!r}: choose among {', '.join(sorted(known))}.")


def load_config(path: Path) -> FinetuneConfig:
    """Reads a saved run's settings. Raises ConfigError for a file that is not YAML or holds anything else."""
    return from_plain(read_yaml(path))


def read_yaml(path: Path) -> object:
    """Raises ConfigError, which names the line, for a file that is not YAML."""
    try:
        return yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} cannot be read as YAML: {error}") from None
