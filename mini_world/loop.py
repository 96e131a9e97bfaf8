"""One training loop for every part: cosine decay, EMA, mixed precision, checkpoint and resume."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from fairness_core.files import write_atomically
from fairness_core.hardware.precision import fast_precision


def autocast(device: torch.device) -> torch.autocast:
    """bf16 where the hardware has it: about twice as fast."""
    precision = fast_precision(device)
    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32)


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Averaged:
    """Exponential moving average of a module's weights, with a short warm-up."""

    def __init__(self, module: nn.Module, decay: float):
        self.decay, self.updates = decay, 0
        self.weights = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)


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
) -> dict[str, Tensor]:
    """Trains `module` to `steps` and returns its averaged weights.

    `step_loss(step)` gives named losses, summed. Continues from `out/name.pt`
    when it exists; logs one JSON line every 20 steps to `out/name.jsonl`.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / f"{name}.pt", (out / f"{name}.jsonl").open("a", encoding="utf-8")
    optimizer = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay,
                                  betas=(0.9, 0.99), fused=True)
    average, first = Averaged(module, ema_decay), 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        module.load_state_dict(saved["module"])
        optimizer.load_state_dict(saved["optimizer"])
        average.weights, average.updates, first = saved["average"], saved["updates"], saved["step"]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda i: min(1, (first + i + 1) / warmup) * (0.5 + 0.5 * math.cos(
            math.pi * min(1, (first + i) / steps))))
    started, device = time.time(), next(module.parameters()).device
    for step in range(first, steps):
        torch.manual_seed(step)
        with autocast(device):
            losses = step_loss(step)
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(module.parameters(), max_grad_norm)
        optimizer.step()
        schedule.step()
        average.update(module)
        if step % 20 == 0:
            record = {k: round(v.item(), 5) for k, v in losses.items()}
            log.write(json.dumps({"step": step, "seconds": round(time.time() - started, 1), **record}) + "\n")
            log.flush()
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            state = {"module": module.state_dict(), "optimizer": optimizer.state_dict(),
                     "average": average.weights, "updates": average.updates, "step": step + 1}
            write_atomically(checkpoint, lambda path: torch.save(state, path))
    return average.weights
