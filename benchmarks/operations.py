"""How many tensor operations a step launches, and how often the host waits for the device.

python -m benchmarks.operations mini-short
Prints a Markdown table of the first step, which paints its originals, and of the second, which has to paint those of
its new prompts, too. Counted on the CPU, where nothing waits: every place that would wait on a GPU is known by its
operation. What takes time on a GPU is the launching and the waiting, not the arithmetic of so small a model.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.sending import Sending
from benchmarks.waits import own_place
from fairness_core.hardware.waiting import ALLOWED
from fairness_core.models.loading import load_model
from fairness_core.report import markdown_table
from fairness_core.settings.presets import FOLDER, load_preset
from fairness_core.training import start as starting
from fairness_core.training.step import take_step

# Their results are numbers, or have a size that only the device knows.
READING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique_dim", "_unique2", "repeat_interleave"}
TO_HOST = (torch.Tensor.cpu, torch.Tensor.tolist)  # on a CPU no operation tells of them
FROM_HOST = (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor)


@dataclass
class Counts:
    """operations: of every kind; reads: where the host waits for a number, or until its own are with the device;
    copies: host numbers made into tensors; elsewhere: the reads outside may_wait(), by place.
    """

    operations: Counter = field(default_factory=Counter)
    reads: Counter = field(default_factory=Counter)
    copies: Counter = field(default_factory=Counter)
    elsewhere: Counter = field(default_factory=Counter)
    is_strict: bool = False

    def read(self, name: str, instead: str = "read it inside may_wait(), or not at all") -> None:
        """Raises HostWait in a strict count, but where waiting is allowed."""
        self.reads[name] += 1
        if ALLOWED.get():
            return
        told = f"{name} makes the host wait for the device: {instead}."
        self.elsewhere[f"{own_place()}: {told}"] += 1
        if self.is_strict:
            raise HostWait(told)


class HostWait(RuntimeError):
    """The host would wait for a GPU outside the allowed places."""


class Operations(TorchDispatchMode):
    def __init__(self, counts: Counts):
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        name = function.overloadpacket.__name__
        self.counts.operations[name] += 1
        if name in READING or (name in ("index", "index_put", "index_put_") and any(
                i is not None and i.dtype == torch.bool for i in arguments[1])):
            self.counts.read(name)
        return function(*arguments, **(named or {}))


class Calls(TorchFunctionMode):
    def __init__(self, counts: Counts):
        super().__init__()
        self.counts, self.sending = counts, Sending()

    def __torch_function__(self, function, types, arguments=(), named=None):
        named = named or {}
        if function in TO_HOST:
            self.counts.read(function.__name__)
        elif function in FROM_HOST:
            self.counts.copies[function.__name__] += 1
        if what := self.sending.waits(function, arguments, named):
            self.counts.read(what, "send it by to_device() or constant()")
        result = function(*arguments, **named)
        self.sending.follow(result, function, arguments, named)
        return result


@contextmanager
def counted(is_strict: bool = False) -> Iterator[Counts]:
    """Counts what is done inside the block, backward passes included."""
    counts = Counts(is_strict=is_strict)
    telling = mock.patch.object(torch, "from_numpy", torch.as_tensor)  # does the same, and tells a mode of it
    with telling, Calls(counts), Operations(counts), torch.autograd.set_multithreading_enabled(False):
        yield counts


def failing() -> AbstractContextManager[Counts]:
    """Counts, and raises HostWait wherever the host would wait for a GPU outside hardware.waiting.may_wait()."""
    return counted(is_strict=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", nargs="?", default="mini-short", help="a name in assets/presets")
    preset = load_preset(FOLDER / f"{parser.parse_args(arguments).preset}.yaml")
    run = starting.start(load_model(preset.config.model, device=torch.device("cpu")), preset.config)
    print(as_markdown([count_step(run) for _ in range(2)]))


def count_step(run: starting.Run) -> Counts:
    with counted() as counts:
        take_step(run)
    return counts


def as_markdown(steps: list[Counts]) -> str:
    rows = [[str(i), f"{c.operations.total():,}", str(c.reads.total()),
             ", ".join(f"{name} {n}" for name, n in c.reads.most_common()), str(c.copies.total())]
            for i, c in enumerate(steps, start=1)]
    return markdown_table(["step", "tensor operations", "host reads", "of them", "host numbers made tensors"], rows)


if __name__ == "__main__":
    main()
