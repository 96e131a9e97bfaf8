"""Work on ZeroGPU: a GPU is borrowed for less than a minute at a time, and work goes on from checkpoint to checkpoint.

A borrowed GPU lives in a process of its own (a fork), of which nothing comes back but what it yields and the files it
writes; it is killed when its time is up. So a finetune is resumed chunk by chunk, and a comparison goes on with the
prompts that are missing. Where no GPU is lent, the built-in model goes on on the CPU.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from app.engine import Engine
from app.jobs.files import NOTICE
from fairness_core.errors import UserError
from fairness_core.events import Event, Finished, Saved, Started
from fairness_core.results import Baseline, PromptComparison
from fairness_core.settings.config import FinetuneConfig

CHUNK_SECONDS, WORK_SECONDS = 50, 42  # asked for, and filled: the last save and a slow step must fit
MOST_KILLS = 2  # chunks in a row
WORKER_ERROR = "ZeroGPU worker error"  # the title of its error when the borrowed GPU's process has ended
STOP_FILE, SAVE_FILE = "stop-asked", "save-asked"


class GpuError(UserError):
    """Work that needs a GPU and cannot get one now; the message says what to do."""


class NotLent(Exception):
    """No GPU is lent now: the visitor's quota is used up, or all of them are taken."""


class Killed(Exception):
    """The borrowed GPU's process ended before it was done."""


@dataclass(frozen=True)
class Lent:
    """A model that is loaded where the work is done."""

    name: str
    label: str


@dataclass(frozen=True)
class Raised:
    """An error of the work itself, handed over by the borrowed GPU's process."""

    error: Exception


class Deadline:
    """Asked before each turn: whether another one, as long as the longest so far, would end too late.

    The first turn always fits.
    """

    def __init__(self, seconds: float):
        self.end, self.last, self.longest = time.monotonic() + seconds, None, 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if self.last is not None:
            self.longest = max(self.longest, now - self.last)
        first, self.last = self.last is None, now
        return not first and now + self.longest > self.end


def is_here(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is a Space on ZeroGPU hardware."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def hosted(engine: Engine) -> Engine:
    """The engine, which borrows its GPUs on ZeroGPU. Raises GpuError where the package `spaces` is missing there."""
    if not is_here():
        return engine
    try:
        import spaces
    except ImportError as error:
        raise GpuError("SPACES_ZERO_GPU is set but the package `spaces` is not installed: install it, or unset that "
                       "variable on a machine that is no ZeroGPU Space.") from error
    return ZeroGpu(engine, spaces.GPU).as_engine()


class ZeroGpu:
    """Makes an engine that borrows GPUs of the one that does the work.

    lend: `spaces.GPU`; it must be given the work before the page is launched, as it is here.
    """

    def __init__(self, engine: Engine, lend: Callable, seconds: float = CHUNK_SECONDS,
                 work_seconds: float = WORK_SECONDS):
        self.engine, self.work_seconds = engine, work_seconds
        self.on_gpu: dict[str, Any] = {}  # filled in the borrowed GPU's process, which may serve several chunks
        self.on_cpu: dict[str, Any] = {}
        self.borrowed = lend(duration=seconds)(self.chunk)

    def as_engine(self) -> Engine:
        return replace(self.engine, load_model=self.lent_model, finetune=self.finetune, compare=self.compare,
                       baselines=self.baselines, lab=self.lab)

    def lent_model(self, name: str) -> Lent:
        labels = {entry.name: entry.label for entry in self.engine.available_models()}
        return Lent(name, labels.get(name, name))

    # ------------------------------------------------------------ in the borrowed GPU's process

    def chunk(self, kind: str, model: str, arguments: dict[str, Any]) -> Iterator[Any]:
        """As much of the work as fits. An error is handed over as a value: raised, its words would be lost."""
        deadline = Deadline(self.work_seconds)
        try:
            import torch
            torch.set_num_threads(1)  # threads of the process that was forked are not there
            if model not in self.on_gpu:
                self.on_gpu = {model: self.engine.load_model(model)}
            work = {"finetune": self.train, "compare": self.engine.compare, "baselines": self.engine.baselines}[kind]
            yield from work(self.on_gpu[model], **arguments, should_stop=deadline)
        except Exception as error:
            yield Raised(error)

    def train(self, model: Any, folder: Path, should_stop: Callable[[], bool], **arguments: Any) -> Iterator[Event]:
        """Files in the run's folder tell what is asked for meanwhile."""
        stop, save = folder / STOP_FILE, folder / SAVE_FILE

        def should_save() -> bool:
            asked = save.exists()
            save.unlink(missing_ok=True)
            return asked
        yield from self.engine.finetune(model, folder=folder, should_stop=lambda: stop.exists() or should_stop(),
                                        should_save=should_save, **arguments)

    # ------------------------------------------------------------ in this process

    def finetune(self, model: Lent, config: FinetuneConfig, folder: Path,
                 should_stop: Callable[[], bool] = lambda: False, resume: bool = False,
                 should_save: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """As the engine's, chunk by chunk. Raises GpuError when a model that needs a GPU gets none."""
        wishes = {folder / STOP_FILE: should_stop, folder / SAVE_FILE: should_save}
        for path in wishes:
            path.unlink(missing_ok=True)
        step, kills = None, 0
        while kills <= MOST_KILLS:
            try:
                for event in self.borrow("finetune", model, config=config, folder=folder, resume=resume):
                    over = isinstance(event, Finished) and (event.reason == "completed" or should_stop())
                    if not (isinstance(event, Started) and event.first_step == step):
                        yield event if over or not isinstance(event, Finished) else Saved(event.step, event.adapter)
                    if over:
                        return
                    step = getattr(event, "step", step)
                    for path in (path for path, wish in wishes.items() if wish()):
                        path.touch()
                kills = 0
            except Killed:
                kills += 1
            except NotLent as refusal:
                yield from self.engine.finetune(self.cpu_model(model, str(refusal)), config, folder, should_stop,
                                                resume, should_save)
                return
            resume = True
        raise GpuError("One step takes longer than a GPU is lent here: choose fewer images per prompt in Advanced.")

    def compare(self, model: Lent, prompts: Sequence[str], numbers: Sequence[int], seed: int, adapter: Path | None, *,
                should_stop: Callable[[], bool] = lambda: False, **settings: Any) -> Iterator[PromptComparison]:
        """As the engine's. Raises as finetune() does."""
        settings |= {"numbers": numbers, "seed": seed, "adapter": adapter}
        return self.prompt_by_prompt("compare", model, prompts, lambda found: found.prompt, should_stop, settings)

    def baselines(self, model: Lent, prompts: Sequence[str], numbers: Sequence[int], seed: int, target_of: Callable, *,
                  should_stop: Callable[[], bool] = lambda: False, **settings: Any) -> Iterator[tuple[str, Baseline]]:
        """As the engine's. Raises as finetune() does."""
        settings |= {"numbers": numbers, "seed": seed, "target_of": target_of}
        return self.prompt_by_prompt("baselines", model, prompts, lambda found: found[0], should_stop, settings)

    def prompt_by_prompt(self, kind: str, model: Lent, prompts: Sequence[str], prompt_of: Callable[[Any], str],
                         should_stop: Callable[[], bool], settings: dict[str, Any]) -> Iterator[Any]:
        """Prompts that a chunk did not come to are left to the next."""
        left, kills = list(prompts), 0
        while left and kills <= MOST_KILLS:
            try:
                for found in self.borrow(kind, model, prompts=tuple(left), **settings):
                    left.remove(prompt_of(found))
                    yield found
                    if should_stop():
                        return
                kills = 0
            except Killed:
                kills += 1
            except NotLent as refusal:
                yield from getattr(self.engine, kind)(self.cpu_model(model, str(refusal)), left, should_stop=should_stop,
                                                      **settings)
                return
        if left:
            raise GpuError("One prompt takes longer than a GPU is lent here: compare fewer images.")

    def lab(self, model: Lent, *arguments: Any) -> Iterator[Any]:
        """On the CPU: its measurements have no checkpoints."""
        yield from self.engine.lab(self.cpu_model(model, "The lab needs one for longer than it is lent."), *arguments)

    def borrow(self, kind: str, model: Lent, **arguments: Any) -> Iterator[Any]:
        """What one chunk yields. Raises NotLent, Killed, or what the work itself raised."""
        failed = None
        try:
            for told in self.borrowed(kind, model.name, arguments):
                if isinstance(told, Raised):
                    failed = told.error
                    break
                yield told
        except (gr.Error, RuntimeError) as error:  # ZeroGPU's own: the work's are handed over
            killed = getattr(error, "title", "") == WORKER_ERROR
            raise (Killed if killed else NotLent)(str(getattr(error, "message", error))) from error
        if failed:
            raise failed

    def cpu_model(self, model: Lent, refusal: str) -> Any:
        """The model loaded on the CPU, which the job's page is told. Raises GpuError for one that needs a GPU."""
        builtin = self.engine.available_models()[0]
        if model.name != builtin.name:
            raise GpuError(f"No GPU is lent now. {refusal} What was learned is kept: press Continue later. Meanwhile "
                           f"choose “{builtin.label}”, which needs none, or look at the recorded run.")
        NOTICE.set(f"No GPU is lent now. {refusal} The built-in model goes on on the CPU: slower, to the same end. "
                   "The recorded run can be looked at meanwhile.")
        if model.name not in self.on_cpu:
            import torch
            self.on_cpu[model.name] = self.engine.load_model(model.name, device=torch.device("cpu"))
        return self.on_cpu[model.name]
