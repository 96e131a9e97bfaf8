"""What the gradient lab is asked for and what it measures, as plain values: to show them needs no network."""

from dataclasses import dataclass

import numpy as np

from fairness_core.errors import UserError

GRADIENTS = ("naive", "adjusted", "unscaled")


@dataclass(frozen=True)
class LabSettings:
    """What both figures need.

    runs: LoRA starts and noise batches of the loss figure; noises: of the scale figure; images: of each batch.
    Raises UserError for a count below 1 or a learning rate that is not above 0.
    """

    prompt: str
    target_prompt: str
    runs: int = 3
    steps: int = 20
    images: int = 1
    noises: int = 20
    sampling_steps: int = 10
    guidance_scale: float = 1.75
    learning_rate: float = 2e-3
    lora_rank: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("runs", "steps", "images", "noises", "sampling_steps", "lora_rank"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}: it must be at least 1.")
        if not self.learning_rate > 0:
            raise UserError(f"learning_rate is {self.learning_rate}: it must be above 0.")


@dataclass(frozen=True)
class LossPoint:
    """The loss, in [0, 2], after `step` updates (0: before the first); nan when the run left the finite numbers."""

    gradient: str
    run: int
    step: int
    loss: float


@dataclass(frozen=True)
class ScalePoint:
    """Norms of each timestep's share of dL/dtheta for one noise: gradient -> [T]. timesteps: [T], as sampled."""

    run: int
    timesteps: np.ndarray
    scales: dict[str, np.ndarray]
