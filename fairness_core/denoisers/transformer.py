"""What the transformers trained by flow matching share: their attention's layers, and their solver's time shift."""

from typing import Any

import torch
from torch import nn

from fairness_core.sampling.flow import flow_solver


class Transformer:
    """The common part of protocol.Denoiser for Stable Diffusion 3 and FLUX."""

    network: nn.Module
    tower = "transformer"
    layers = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    spread_evenly = False  # whether the pipeline itself spreads the steps over sigma, see flow_solver

    def solver(self, scheduler: Any, side: int) -> Any:
        """side: of the latents, which the network reads by patches of two by two."""
        return flow_solver(scheduler, (side // 2) ** 2, self.spread_evenly)

    def prepare(self, device: torch.device) -> None:
        """Its own attention is the fast way everywhere."""
