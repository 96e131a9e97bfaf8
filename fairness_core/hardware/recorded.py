"""On a GPU, what is asked again and again in the same shapes is recorded once as a CUDA graph and then replayed.

So Python launches one thing, not a thousand, and small networks no longer wait for it: the guided prediction of a
denoising step, its gradient, and the face detector's first look. The solver's own few operations stay outside: any
solver works, the numbers are those of the plain way, and a recording serves all steps of a sampling, however many there
are. What is asked in a shape for the first time is computed plainly: many a shape never comes again.

A graph reads the weights where they lie. LoRA changes in place (by the optimizer, its average, a checkpoint), so that a
recording stays valid; where weights have moved, as when another adapter is attached, it is made anew. What Python told
while it was recorded (LoRA's strength, the guidance, the precision, all shapes) is what it is kept by.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fairness_core.hardware.waiting import may_wait

Answer = Tensor | tuple[Tensor, ...]
Function = Callable[..., Answer]  # of a network, then of tensors, dataclasses of tensors, and values that can be compared
Replay = Callable[[], object]
MOST = 48  # shapes of a network that are remembered
WARM_UP_CALLS = 2
A_TENSOR = object()  # stands in its place among what else is told


def record_cuda_graph(work: Callable[[], Answer], device: torch.device) -> tuple[Answer, Replay]:
    """What holds the result of `work` after each replay. Raises RuntimeError for what cannot be recorded."""
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
    result: Answer
    replay: Replay

    def of(self, values: Sequence[Tensor]) -> Answer:
        for own, value in zip(self.inputs, values, strict=True):
            own.copy_(value)
        self.replay()
        return self.result.clone() if isinstance(self.result, Tensor) else tuple(part.clone() for part in self.result)


class Recordings:
    """Those of one network, while its weights lie where they are; the longest unused is forgotten first."""

    def __init__(self):
        self.by_key, self.places = OrderedDict[tuple, Recording | None](), ()  # None: asked once
        self.plain, self.lock = set[Function](), Lock()  # plain: what could not be recorded

    def keep_for(self, places: tuple) -> None:
        """Forgets all of them where the weights have moved."""
        if places != self.places:
            self.by_key.clear()
            self.places = places

    def ask(self, function: Function, strengths: tuple[float, ...], network: object, *arguments: object) -> Answer:
        """What `function` answers, replayed from the second time on; plainly after its recording has failed, which is
        logged once.
        """
        tensors, told = apart(arguments)
        device = tensors[0].device.type
        key = (function, strengths, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device), told,
               tuple((v.shape, v.stride(), v.dtype, v.device) for v in tensors))
        with self.lock:
            if key in self.by_key and self.by_key[key] is None and function not in self.plain:
                self.record(key, network, lambda inputs: function(network, *together(told, inputs)), tensors)
            if self.by_key.setdefault(key):
                self.by_key.move_to_end(key)
                return self.by_key[key].of(tensors)
            if len(self.by_key) > MOST:
                self.by_key.popitem(last=False)
        # Autocast's copies of learning weights would keep this graph's ends alive, where a recording cannot reach them.
        with nullcontext() if function in self.plain else without_cached_weights(tensors[0].device):
            return function(network, *arguments)

    def record(self, key: tuple, network: object, function: Callable[[Sequence[Tensor]], Answer], tensors: Sequence[Tensor]) -> None:
        inputs, device = [value.detach().clone() for value in tensors], tensors[0].device

        def work() -> Answer:
            with without_cached_weights(device):
                return function(inputs)

        try:
            with may_wait():
                self.by_key[key] = Recording(inputs, *RECORDERS[device.type](work, device))
        except RuntimeError as error:
            self.plain.add(key[0])
            logging.getLogger(__name__).warning(
                "What %s does cannot be recorded on this GPU, so it is launched piece by piece, which takes longer: %s",
                type(network).__name__, (str(error).strip().splitlines() or [type(error).__name__])[0])


def apart(arguments: Sequence[object]) -> tuple[list[Tensor], tuple]:
    """The tensors among the arguments and in their dataclasses, and all else that they tell."""
    parts = [(type(one), [getattr(one, f.name) for f in fields(one)]) if is_dataclass(one) else (None, [one])
             for one in arguments]
    return ([value for _, values in parts for value in values if isinstance(value, Tensor)],
            tuple((kind, tuple(A_TENSOR if isinstance(value, Tensor) else value for value in values))
                  for kind, values in parts))


def together(told: tuple, tensors: Sequence[Tensor]) -> Iterator[object]:
    """The arguments again, with such tensors."""
    tensors = iter(tensors)
    for kind, values in told:
        values = [next(tensors) if value is A_TENSOR else value for value in values]
        yield kind(*values) if kind else values[0]


def without_cached_weights(device: torch.device) -> AbstractContextManager:
    """Autocast as it is, but for its copies of weights: a recording would read those of the first time for ever."""
    return torch.autocast(device.type, dtype=torch.get_autocast_dtype(device.type),
                          enabled=torch.is_autocast_enabled(device.type), cache_enabled=False)


KEPT: WeakKeyDictionary[nn.Module, Recordings] = WeakKeyDictionary()


def recorded(function: Function, network: nn.Module, device: torch.device, strengths: tuple[float, ...] = ()) -> Function:
    """`function`, but recorded when it is asked in a shape for the second time; itself where there is no GPU, and where
    its answer is to carry a graph. strengths: how much the network's adapters count.
    """
    if device.type not in RECORDERS or torch.is_grad_enabled():
        return function
    kept = KEPT.setdefault(network, Recordings())
    with kept.lock:
        kept.keep_for(places_of(network))
    return lambda *arguments: kept.ask(function, strengths, *arguments)


def places_of(network: nn.Module) -> tuple:
    """Where its weights lie, what they are, and which of them learn."""
    return tuple((t.data_ptr(), t.shape, t.stride(), t.dtype, t.requires_grad)
                 for t in chain(network.parameters(), network.buffers()))
