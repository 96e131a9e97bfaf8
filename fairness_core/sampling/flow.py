"""Euler on a flow: z_0 = z_T + sum_t (sigma_(t+1) - sigma_t) v_t, called as every other solver is.

diffusers' FlowMatchEulerDiscreteScheduler is told by its pipelines how large the pictures are, for large ones need more of
the steps at strong noise (Esser et al. 2024, section 5.3.2), and FLUX's also where the steps lie.
"""

from typing import Any

import numpy as np
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

PLACES, EVENLY = "_places", "_evenly"  # in its config; diffusers takes names with a line in front as they are


class FlowEuler(FlowMatchEulerDiscreteScheduler):
    """The same solver, which knows of itself what a pipeline would tell it: made by flow_solver."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample: Tensor, timestep: Any = None) -> Tensor:
        return sample

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **given: Any) -> None:
        own: dict[str, Any] = {}
        if self.config[EVENLY]:
            own["sigmas"] = np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)
        if self.config.use_dynamic_shifting:
            own["mu"] = shift_of(self.config, self.config[PLACES])
        super().set_timesteps(num_inference_steps, device, **own | given)


def flow_solver(scheduler: Any, places: int, evenly: bool) -> Any:
    """A pipeline's FlowMatchEulerDiscreteScheduler as one that needs to be told its steps alone; any other as it is.

    places: how many patches of the picture the network reads, by which the time is shifted where the scheduler's config
    says so. evenly: whether sigma goes from 1 to 1 / steps before the shift, as FLUX's pipeline has it.
    """
    if type(scheduler) is not FlowMatchEulerDiscreteScheduler:
        return scheduler
    solver = FlowEuler.from_config(scheduler.config)
    solver.register_to_config(**{PLACES: places, EVENLY: evenly})
    return solver


def shift_of(config: Any, places: int) -> float:
    """The time shift mu: a straight line through (base_image_seq_len, base_shift) and (max_image_seq_len, max_shift)."""
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    return config.base_shift + slope * (places - config.base_image_seq_len)
