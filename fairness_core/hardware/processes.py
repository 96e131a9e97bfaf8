"""Several processes share the images of a prompt (`accelerate launch`); one process alone is the plain case."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object, reduce
from torch import Tensor, nn


@dataclass(frozen=True)
class Share:
    """This process's part of the work: `index` of `count` processes. All of them must make the same calls in order."""

    index: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes files and tells what happened."""
        return self.index == 0

    def own(self, total: int) -> slice:
        """Which of `total` images are this process's: consecutive ones, as even a split as there can be."""
        return slice(total * self.index // self.count, total * (self.index + 1) // self.count)

    def places(self, totals: Sequence[int]) -> list[np.ndarray]:
        """For each of several prompts with so many images: where gather() puts them, in their order.

        Every process has its own images of the first prompt, then of the second, and so on.
        """
        own = [[len(range(total)[Share(i, self.count).own(total)]) for total in totals] for i in range(self.count)]
        starts = np.cumsum([0, *np.concatenate(own)])[:-1].reshape(self.count, len(totals))
        return [np.concatenate([starts[i, j] + np.arange(own[i][j]) for i in range(self.count)])
                for j in range(len(totals))]

    def gather(self, rows: Tensor) -> Tensor:
        """Every process's rows [own, ...] in the images' order [total, ...], on this device, without graph."""
        rows = rows.detach()
        return rows if self.count == 1 else torch.cat([part.to(rows.device) for part in gather_object([rows.cpu()])])

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient by its sum over the processes."""
        if self.count > 1:
            for parameter in parameters:
                parameter.grad = reduce(parameter.grad, "sum")

    def wait(self) -> None:
        """Returns once every process has come here."""
        if self.count > 1:
            PartialState().wait_for_everyone()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; none goes on before all have asked."""
        return flag if self.count == 1 else any(gather_object([bool(flag)]))


def current_share(device: torch.device) -> Share:
    """The share that the launcher gave to this process; the whole without a launcher."""
    state = PartialState(cpu=device.type == "cpu")
    return Share(state.process_index, state.num_processes)
