"""The moving average of trained parameters: what is saved and shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class MovingAverage:
    """Exponential moving average of parameters, corrected for its start: what is saved and shown."""

    decay: float
    values: list[Tensor]
    weight: float = 0.0

    @classmethod
    def of(cls, parameters: list[nn.Parameter], decay: float) -> "MovingAverage":
        return cls(decay, [torch.zeros_like(p) for p in parameters])

    @torch.no_grad()
    def update(self, parameters: list[nn.Parameter]) -> None:
        self.weight = self.decay * self.weight + 1 - self.decay
        torch._foreach_mul_(self.values, self.decay)
        torch._foreach_add_(self.values, parameters, alpha=1 - self.decay)

    @contextmanager
    def applied(self, parameters: list[nn.Parameter]) -> Iterator[None]:
        """The parameters hold their average inside the block. Without any update, they stay as they are."""
        own = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            if self.weight:
                for parameter, value in zip(parameters, self.values):
                    parameter.copy_(value / self.weight)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(parameters, own):
                    parameter.copy_(value)
