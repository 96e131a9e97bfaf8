"""Everything this project has to say about a GPU, in four minutes at most.

python -m benchmarks.gpu --out folder
Measures the built-in model's Short finetune, the published iteration beside the engine's on Stable Diffusion 1.5, a
step of 2.1, XL and 3.5 Medium (all with random weights), and how often the host waits in a step. One process measures
part after part; one that takes longer than its limit and what earlier parts left over is stopped, and another goes on.
Whatever is found is told, and written into gpu.json and gpu.md, as soon as it is there.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.worker import Worker
from fairness_core.files import write_atomically

NO_GPU = "This machine has no GPU: nothing was measured. Run it where there is one."
# Seconds; with the start four minutes together. What a part leaves over is there for those after it.
LIMITS = {"short": 55, "waits": 20, "iteration": 65, "sd21": 20, "sdxl": 35, "sd35-medium": 25}
START = 20  # of the measuring process: it imports torch and diffusers, and wakes the GPU
LEAST = 1  # where a fresh process had to be started, and the time before was used up


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    began = time.monotonic()
    with Worker([sys.executable, "-m", "benchmarks.gpu_parts", args.device]) as worker:  # loads while this process does
        import torch
        if args.device == "cuda" and not torch.cuda.is_available():
            sys.exit(NO_GPU)
        args.out.mkdir(parents=True, exist_ok=True)
        measure(worker, args.parts, args.out, began)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and gpu.md")
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: to try the command")
    return parser.parse_args(arguments)


def measure(worker: Worker, parts: Sequence[str], out: Path, began: float) -> None:
    """Asks for part after part, and keeps and tells what is found when it is found."""
    from benchmarks import gpu_words
    result = {"machine": {}, "start_seconds": 0.0, "parts": {}}
    if why := worker.ask("machine", START + sum(LIMITS[name] for name in parts), result["machine"].update):
        sys.exit(f"The process that measures did not start: {why}")
    result["start_seconds"] = time.monotonic() - began
    print(gpu_words.heading(result), flush=True)
    deadline = began + START
    for name in parts:
        deadline += LIMITS[name]
        part = result["parts"][name] = {"wall_seconds": 0.0, "unfinished": "", "found": {}}
        attempt(worker, name, deadline, part, lambda: keep(out / "gpu.json", json.dumps(result, indent=1)))
        keep(out / "gpu.md", gpu_words.all_in_words(result))
        print(f"\n{gpu_words.as_markdown(name, part)}", flush=True)


def attempt(worker: Worker, name: str, deadline: float, part: dict, keep_all: Callable[[], None]) -> None:
    """Fills `part`; what was found until the deadline stays."""
    began = time.monotonic()

    def take(found: dict) -> None:
        part.update(found=found, wall_seconds=time.monotonic() - began)
        keep_all()
        print(f"{name}: {found['told']}", flush=True)

    part["unfinished"] = worker.ask(name, max(LEAST, deadline - began), take)
    part["wall_seconds"] = time.monotonic() - began
    keep_all()


def keep(path: Path, text: str) -> None:
    write_atomically(path, lambda place: place.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
