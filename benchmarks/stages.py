"""Where an iteration's time goes, seen from outside: functions are wrapped while a clock watches them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from unittest import mock

import torch

Place = tuple[object, str, str]  # owner, name of the function in it, stage


class StageClock:
    """Seconds by stage. A stage inside another stops the outer one's clock; one of `whole` keeps what is inside."""

    def __init__(self, device: torch.device, whole: Sequence[str] = ()):
        self.device, self.whole = device, whole
        self.seconds: Counter[str] = Counter()
        self.running: list[str] = []
        self.since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if self.running and self.running[-1] in self.whole:
            yield
            return
        self.lap()
        self.running.append(name)
        try:
            yield
        finally:
            self.lap()
            self.running.pop()

    def lap(self) -> None:
        """Books the time since the last lap to the stage that runs."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self.running:
            self.seconds[self.running[-1]] += now - self.since
        self.since = now

    def wrapped(self, function: Callable, name: str) -> Callable:
        @wraps(function)
        def timed(*args, **kwargs):
            with self.stage(name):
                return function(*args, **kwargs)
        return timed

    @contextmanager
    def watching(self, places: Sequence[Place]) -> Iterator[None]:
        """Raises AttributeError for a function that is not there (any more)."""
        with ExitStack() as stack:
            for owner, attribute, name in places:
                stack.enter_context(mock.patch.object(owner, attribute, self.wrapped(getattr(owner, attribute), name)))
            yield
