"""The one face of every network that paints. Adding a kind of model is a file beside this one and a line in kinds.py."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fairness_core.sampling.steering import Conditioning, Said


class Denoiser(Protocol):
    """A network and how it is spoken to.

    tower: what the network is called in a pipeline and in an adapter's file. layers: the ends of the names of its layers
    that get LoRA, its attention. encoders: the text encoders that may be tuned, by their names in a pipeline.
    t5: the frozen one that reads beside them, (encoder, tokenizer), or None; t5_tokens: the places it gets. passes: how often a guided image goes
    through: twice with classifier-free guidance, once where the guidance's strength is something the network reads.
    """

    network: nn.Module
    tower: str
    layers: tuple[str, ...]
    encoders: tuple[str, ...]
    t5: tuple[str, str] | None
    t5_tokens: int
    passes: int

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        """The network's answer, float32 [n, c, h, w], in the type of its weights.

        model_input: [n, c, h, w], already scaled by the scheduler; timesteps: one scalar, or one an image [n].
        """

    def condition(self, model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
        """The prompts as this network reads them, by the model's text encoders as they are now; carries gradient.

        Raises PromptError for a prompt that is too long.
        """

    def latent_shape(self, side: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents. side: what is wanted, 0 for the network's own; most know but one."""

    def solver(self, scheduler: Any, side: int) -> Any:
        """The scheduler, called as every other one is, though this kind of model may tell it more. side: of the latents."""

    def blank(self, rows: int, **options: Any) -> Said:
        """Zeros in the shapes of what it is told, options as for torch.zeros: to plan memory by."""

    def architecture(self, model: Any) -> str:
        """What the model is, by the names of ModelSpec; one of its own where it is none of the published ones."""

    def check(self, label: str, latent_channels: int) -> None:
        """Raises ModelError for a network that wants to be told more than a prompt. latent_channels: the decoder's."""

    def prepare(self, device: torch.device) -> None:
        """Sets what makes it fast on the device."""
