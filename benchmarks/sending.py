"""Which calls would make the host wait until its numbers are on a GPU, told on a CPU, where nothing is sent.

No operation tells of it there: a tensor made of Python numbers is where it is wanted. So tensors are followed: those
made of numbers without saying where are the host's, as is what is computed from them alone, until they are sent.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

MAKING = (torch.tensor, torch.as_tensor, torch.asarray)
SENDING = (torch.Tensor.to, torch.Tensor.cuda)
INDEXING = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)
HOST = "cpu"  # written out as a word, it means the host wherever the rest is


class Sending:
    """Knows which tensors are the host's."""

    def __init__(self):
        self.of_host = WeakIdKeyDictionary()

    def waits(self, function: Callable, arguments: Sequence, named: Mapping) -> str:
        """What would make the host wait in this call, before it is made; "" for nothing."""
        if function is torch.Tensor.new_tensor:
            return "new_tensor"
        if function in MAKING:
            where = named.get("device")
            is_sent = where not in (None, HOST) and not isinstance(arguments[0], Tensor)
            return f"{function.__name__} with a device" if is_sent else ""
        if function in SENDING:
            is_sent = self.is_of_host(arguments[0]) and device_of(function, arguments, named) not in (None, HOST)
            return f"{function.__name__} of the host's numbers" if is_sent and not named.get("non_blocking") else ""
        if function in INDEXING and not self.is_of_host(arguments[0]):
            indices = arguments[1] if isinstance(arguments[1], tuple) else (arguments[1],)
            return "an index of the host's numbers" if any(map(self.is_hosts_index, indices)) else ""
        return ""

    def follow(self, result: object, function: Callable, arguments: Sequence, named: Mapping) -> None:
        """Notes whether what a call has made is the host's."""
        if not isinstance(result, Tensor):
            return
        if function in SENDING and (where := device_of(function, arguments, named)) is not None:
            is_of_host = where == HOST
        elif tensors := [value for value in tree_leaves((arguments, dict(named))) if isinstance(value, Tensor)]:
            is_of_host = all(map(self.is_of_host, tensors))
        else:
            is_of_host = named.get("device") in (None, HOST)
        if is_of_host:
            self.of_host[result] = True
        else:
            self.of_host.pop(result, None)

    def is_of_host(self, tensor: object) -> bool:
        return isinstance(tensor, Tensor) and tensor in self.of_host

    def is_hosts_index(self, index: object) -> bool:
        """A single number of the host's goes along with the launch."""
        return isinstance(index, list | range | np.ndarray) or self.is_of_host(index) and index.ndim > 0


def device_of(function: Callable, arguments: Sequence, named: Mapping) -> object:
    """Where a call sends a tensor to; None where it only changes its type."""
    if function is torch.Tensor.cuda:
        return "cuda"
    first = arguments[1] if len(arguments) > 1 else None
    if isinstance(first, Tensor):
        return first.device
    return first if isinstance(first, str | torch.device | int) else named.get("device")
