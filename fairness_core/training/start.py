"""Before the first step: a run's settings are checked, its adapter is attached, its folder is made ready."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from fairness_core.adapters.attach import attach_adapter
from fairness_core.critics import Critics
from fairness_core.files import write_atomically
from fairness_core.hardware.precision import loss_scaler
from fairness_core.hardware.processes import Share, current_share
from fairness_core.models.loading import Model
from fairness_core.sampling.coefficients import scheduler_coefficients, step_weights
from fairness_core.sampling.denoise import check_prompt
from fairness_core.settings.attributes import Attributes, TargetDistribution
from fairness_core.settings.config import ConfigError, FinetuneConfig, load_config
from fairness_core.training.average import MovingAverage
from fairness_core.training.checkpoints import CheckpointError, forget_checkpoint
from fairness_core.training.objective import Reference


@dataclass
class Run:
    """What changes while a finetune goes on, and what its steps share. targets: by prompt, None for a kept one."""

    model: Model
    config: FinetuneConfig
    targets: dict[str, TargetDistribution | None]
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    average: MovingAverage
    step_weights: Tensor | None
    share: Share = Share()
    step: int = 0
    original_seconds: float = 0.0
    originals: dict[tuple[str, range], Reference] = field(default_factory=dict)
    scaler: GradScaler = field(default_factory=lambda: GradScaler(enabled=False))


def start(model: Model, config: FinetuneConfig, attributes: Attributes | None = None) -> Run:
    """Checks the settings and attaches a fresh adapter."""
    if not torch.is_grad_enabled():
        raise ConfigError("finetune() was called where torch computes no gradients: call it outside torch.no_grad().")
    check_perceived(config.target(attributes=attributes), model.critics)
    targets = {prompt: config.target(prompt, attributes) for prompt in (*config.prompts, *config.targets_by_prompt)}
    targets = dict.fromkeys(config.kept_prompts) | targets
    if not config.prompts:
        raise ConfigError("Choose at least one concept or type a prompt.")
    if config.tune == "tokens" and model.text_encoder_2 is not None:
        raise ConfigError(f"{model.label} has two text encoders, and soft tokens are for one: tune 'text_encoder', "
                          "'unet' or 'both'.")
    for prompt in (*config.prompts, *config.kept_prompts, *config.film_prompts):
        check_prompt(model.tokenizer, prompt, reserved=config.soft_tokens if config.tune == "tokens" else 0)
    share = current_share(model.device)
    if config.images_per_prompt < share.count:
        raise ConfigError(f"images_per_prompt is {config.images_per_prompt} for {share.count} processes: "
                          "give every process at least one image.")
    weights = None
    if config.gradient != "naive":
        weights = step_weights(scheduler_coefficients(model.scheduler, config.sampling_steps), config.gradient)
    parameters = attach_adapter(
        model, config.tune, rank=config.lora_rank, alpha=config.lora_alpha or config.lora_rank,
        targets=config.lora_targets, soft_tokens=config.soft_tokens, seed=config.seed)
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay,
                                  fused=True)
    average = MovingAverage.of(parameters, config.ema_decay)
    return Run(model, config, targets, parameters, optimizer, average, weights, share,
               scaler=loss_scaler(model.device, model.precision))


def check_perceived(target: TargetDistribution, critics: Critics) -> None:
    """Raises ConfigError for an attribute that the classifiers do not know, or know in another order of classes."""
    for attribute in target.attributes:
        for network in (critics.classifier, critics.evaluator):
            if tuple(network.heads_config.get(attribute.name, ())) != attribute.class_names:
                raise ConfigError(f"This model's classifiers do not perceive {attribute.name!r} as "
                                  f"{', '.join(attribute.class_names)}: control another attribute.")


def check_continues(folder: Path, config: FinetuneConfig) -> None:
    """Raises CheckpointError when the run in the folder made another adapter than these settings would."""
    if not (folder / "config.yaml").exists():
        return
    earlier = load_config(folder / "config.yaml")
    for name in ("model", "tune", "lora_rank", "lora_alpha", "lora_targets", "soft_tokens"):
        if getattr(earlier, name) != getattr(config, name):
            raise CheckpointError(f"This run has {name} {getattr(earlier, name)!r}, not {getattr(config, name)!r}: "
                                  "continue with the run's own settings, or start a new run.")


def prepare(folder: Path, config: FinetuneConfig, resume: bool) -> None:
    """Writes the settings into the run's folder, which forgets an earlier run unless it is continued."""
    if not resume:
        forget_checkpoint(folder)
    write_settings(folder, config)


def write_settings(folder: Path, config: FinetuneConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.yaml", config.save)
