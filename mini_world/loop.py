"""One training loop for every part: cosine decay, EMA, mixed precision, one CUDA graph a step, checkpoint and resume."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from fairness_core.files import write_atomically
from fairness_core.hardware.precision import fast_precision

LOG_EVERY, WARM_UP_CALLS = 20, 5


def autocast(device: torch.device, cached: bool = True) -> torch.autocast:
    """bf16 where the hardware has it: about twice as fast. cached: a weight used twice is converted once, which a
    captured step must not."""
    precision = fast_precision(device)
    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32, cache_enabled=cached)


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Averaged:
    """Exponential moving average of a module's weights, with a short warm-up. How much an update counts is a tensor,
    which a captured step reads anew each time."""

    def __init__(self, module: nn.Module, decay: float):
        self.decay, self.live = decay, module.state_dict()
        self.weights = {k: v.detach().clone() for k, v in self.live.items()}
        self.new_share = torch.zeros((), device=next(module.parameters()).device)

    def set_share(self, step: int) -> None:
        """How much the update of this step, counted from 0, is to count."""
        self.new_share.fill_(1 - min(self.decay, (2 + step) / (11 + step)))

    @torch.no_grad()
    def update(self) -> None:
        for name, value in self.live.items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, self.new_share.to(value.dtype))
            else:
                self.weights[name].copy_(value)


class Progress:
    """What a training has come to: a module, its average, its optimizer and the steps done."""

    def __init__(self, module: nn.Module, learning_rate: float, weight_decay: float, ema_decay: float):
        self.module, self.step, self.device = module, 0, next(module.parameters()).device
        self.average = Averaged(module, ema_decay)
        self.rate = torch.tensor(learning_rate, device=self.device)  # read anew by a captured step
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=self.rate, weight_decay=weight_decay,
                                           betas=(0.9, 0.99), fused=True, capturable=self.device.type == "cuda")

    def save(self, checkpoint: Path) -> None:
        state = {"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict(),
                 "average": self.average.weights, "step": self.step}
        write_atomically(checkpoint, lambda path: torch.save(state, path))

    def resume(self, checkpoint: Path) -> None:
        saved = torch.load(checkpoint, weights_only=True, map_location=self.device)
        self.module.load_state_dict(saved["module"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        for name, value in self.average.weights.items():
            value.copy_(saved["average"][name])
        self.step = saved["step"]

    def move(self, losses: dict[str, Tensor], max_grad_norm: float) -> None:
        """One step down the sum of the losses, at the rate and the average's share that were set."""
        self.optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), max_grad_norm)
        self.optimizer.step()
        self.average.update()


def rate_factor(step: int, steps: int, warmup: int) -> float:
    """Of the learning rate: a linear start, then half a cosine down to nothing."""
    return min(1, (step + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * min(1, step / steps)))


def captured(step: Callable[[], dict[str, Tensor]], device: torch.device) -> Callable[[], dict[str, Tensor]]:
    """`step` as one CUDA graph, with the same tensors as results every time; on a CPU `step` itself.

    A graph repeats what the GPU did: what `step` needs must lie on the GPU, in tensors that are only written in place.
    `step` is called a few times before.
    """
    if device.type != "cuda":
        return step
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP_CALLS):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()

    def replay() -> dict[str, Tensor]:
        graph.replay()
        return results

    return replay


def train(
    name: str,
    module: nn.Module,
    step_loss: Callable[[int], dict[str, Tensor]],
    *,
    steps: int,
    learning_rate: float,
    out: Path,
    weight_decay: float = 0.01,
    warmup: int = 100,
    ema_decay: float = 0.999,
    checkpoint_every: int = 100,
    max_grad_norm: float = 1.0,
    graphed: bool = False,
) -> dict[str, Tensor]:
    """Trains `module` to `steps` and returns its averaged weights.

    `step_loss(step)` gives named losses, summed. Continues from `out/name.pt`
    when it exists; logs one JSON line every 20 steps to `out/name.jsonl`.
    graphed: on a GPU a step is captured as one CUDA graph. Then `step_loss` must draw all it needs on the GPU; its
    number means nothing to it.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, progress = out / f"{name}.pt", Progress(module, learning_rate, weight_decay, ema_decay)
    if checkpoint.exists():
        progress.resume(checkpoint)
    run, log = step_of(progress, step_loss, max_grad_norm, graphed), Log(out / f"{name}.jsonl")
    while progress.step < steps:
        progress.rate.fill_(learning_rate * rate_factor(progress.step, steps, warmup))
        progress.average.set_share(progress.step)
        losses = run()
        if progress.step % LOG_EVERY == 0:
            log.write(progress.step, losses)
        progress.step += 1
        if progress.step % checkpoint_every == 0 or progress.step == steps:
            progress.save(checkpoint)
    return progress.average.weights


def step_of(progress: Progress, step_loss: Callable[[int], dict[str, Tensor]], max_grad_norm: float,
            graphed: bool) -> Callable[[], dict[str, Tensor]]:
    """A whole step, which returns its losses: captured on a GPU where `graphed`; else with random numbers that are a
    function of the step."""
    graphed = graphed and progress.device.type == "cuda"

    def step() -> dict[str, Tensor]:
        if not graphed:
            torch.manual_seed(progress.step)
        with autocast(progress.device, cached=not graphed):
            losses = step_loss(progress.step)
        progress.move(losses, max_grad_norm)
        return {name: loss.detach() for name, loss in losses.items()}

    if not graphed:
        return step
    torch.manual_seed(progress.step)
    progress.rate.zero_()  # and the average's share is zero still: capturing trains nothing
    return captured(step, progress.device)


class Log:
    """Lines of JSON: step, seconds since the start, each loss."""

    def __init__(self, path: Path):
        self.file, self.started = path.open("a", encoding="utf-8"), time.time()

    def write(self, step: int, losses: dict[str, Tensor]) -> None:
        record = {name: round(value.item(), 5) for name, value in losses.items()}
        self.file.write(json.dumps({"step": step, "seconds": round(time.time() - self.started, 1), **record}) + "\n")
        self.file.flush()
