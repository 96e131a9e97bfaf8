"""On a GPU, the guided prediction of a denoising step is recorded once as a CUDA graph and then replayed.

So Python launches one thing a step, not a thousand, and a small U-Net no longer waits for it. The solver's own few
operations stay outside: any solver works, the numbers are those of the plain way, and a recording serves all steps of a
sampling, however many there are.

A graph reads the weights where they lie. LoRA changes in place (by the optimizer, its average, a checkpoint), so that a
recording stays valid; where weights have moved, as when another adapter is attached, it is made anew. What Python told
while it was recorded (LoRA's strength, the guidance, the precision, all shapes) is what it is kept by.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from itertools import chain
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fairness_core.adapters.lora import lora_scales
from fairness_core.hardware.waiting import may_wait
from fairness_core.sampling.steering import Conditioning

Prediction = Callable[[nn.Module, Tensor, Tensor, Conditioning], Tensor]
Replay = Callable[[], object]
MOST = 24  # recordings of a network: a finetune's originals come in several batch sizes
WARM_UP_CALLS = 2


def record_cuda_graph(work: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, Replay]:
    """The tensor that holds the result of `work` after each replay. Raises RuntimeError for what cannot be recorded."""
    with torch.cuda.device(device), torch.cuda.stream(torch.cuda.current_stream(device)):  # as it was, even after an error
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_CALLS):  # what libraries set up at a first call is no part of the work
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may go on
            result = work()
    return result, graph.replay


RECORDERS = {"cuda": record_cuda_graph}  # by the kind of device: anywhere else nothing is recorded


@dataclass(frozen=True)
class Recording:
    """inputs: what a replay reads; result: what it writes."""

    inputs: Sequence[Tensor]
    result: Tensor
    replay: Replay

    def of(self, values: Sequence[Tensor]) -> Tensor:
        for own, value in zip(self.inputs, values, strict=True):
            own.copy_(value)
        self.replay()
        return self.result.clone()


class Recordings:
    """Those of one network, while its weights lie where they are; the longest unused is forgotten first."""

    def __init__(self):
        self.by_key, self.places = OrderedDict[tuple, Recording](), ()
        self.is_plain, self.lock = False, Lock()

    def keep_for(self, places: tuple) -> None:
        """Forgets all of them where the weights have moved."""
        if places != self.places:
            self.by_key.clear()
            self.places = places

    def predict(self, function: Prediction, scales: tuple[float, ...], network: nn.Module, model_input: Tensor,
                timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """What `function` answers to the rest, replayed; plainly after a recording has failed, which is logged once.

        scales: how much the network's LoRA counts.
        """
        told = {f.name: getattr(conditioning, f.name) for f in fields(conditioning)}
        tensors = {name: value for name, value in told.items() if isinstance(value, Tensor)}
        values, device = [model_input, timesteps, *tensors.values()], model_input.device.type
        key = (function, scales, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device),
               tuple((name, value) for name, value in told.items() if name not in tensors),
               tuple((v.shape, v.stride(), v.dtype, v.device) for v in values))
        with self.lock:
            if not self.is_plain and key not in self.by_key:
                self.add(key, lambda inputs: function(network, *inputs[:2], replace(
                    conditioning, **dict(zip(tensors, inputs[2:])))), values)
            if not self.is_plain:
                self.by_key.move_to_end(key)
                return self.by_key[key].of(values)
        return function(network, model_input, timesteps, conditioning)

    def add(self, key: tuple, predict: Callable[[Sequence[Tensor]], Tensor], values: Sequence[Tensor]) -> None:
        inputs, device = [value.clone() for value in values], values[0].device

        def work() -> Tensor:
            with without_cached_weights(device):
                return predict(inputs)

        try:
            with may_wait():
                self.by_key[key] = Recording(inputs, *RECORDERS[device.type](work, device))
        except RuntimeError as error:
            self.by_key.clear()
            self.is_plain = True
            logging.getLogger(__name__).warning(
                "The sampler's steps cannot be recorded on this GPU, so they are launched one by one, which takes longer: "
                "%s", (str(error).strip().splitlines() or [type(error).__name__])[0])
        if len(self.by_key) > MOST:
            self.by_key.popitem(last=False)


def without_cached_weights(device: torch.device) -> AbstractContextManager:
    """Autocast as it is, but for its copies of weights: a recording would read those of the first time for ever."""
    return torch.autocast(device.type, dtype=torch.get_autocast_dtype(device.type),
                          enabled=torch.is_autocast_enabled(device.type), cache_enabled=False)


KEPT: WeakKeyDictionary[nn.Module, Recordings] = WeakKeyDictionary()


def recorded(function: Prediction, network: nn.Module, device: torch.device) -> Prediction:
    """`function`, but recorded at its first call of a shape; itself with gradients, and where there is no GPU."""
    if device.type not in RECORDERS or torch.is_grad_enabled():
        return function
    kept = KEPT.setdefault(network, Recordings())
    with kept.lock:
        kept.keep_for(places_of(network))
    scales = lora_scales(network)
    return lambda *arguments: kept.predict(function, scales, *arguments)


def places_of(network: nn.Module) -> tuple:
    """Where its weights lie, and what they are."""
    return tuple((t.data_ptr(), t.shape, t.stride(), t.dtype) for t in chain(network.parameters(), network.buffers()))
