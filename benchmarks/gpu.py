"""Everything this project has to say about a GPU, in four minutes at most.

python -m benchmarks.gpu --out folder
Measures the built-in model's Short finetune, the published iteration beside the engine's on Stable Diffusion 1.5, a
step of 2.1, XL and 3.5 Medium (all with random weights), and how often the host waits in a step. Every part runs in a process
of its own with a time limit, is printed as soon as it is there, and what it had found out when it was stopped is kept.
Writes gpu.json and gpu.md.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.iteration_table import as_markdown as iteration_markdown
from benchmarks.machine import machine
from fairness_core.files import write_atomically
from fairness_core.report import markdown_table

NO_GPU = "This machine has no GPU: nothing was measured. Run it where there is one."
LIMITS = {"short": 60, "waits": 20, "iteration": 75, "sd21": 25, "sdxl": 35, "sd35-medium": 25}  # seconds; four minutes together
TITLES = {"short": "Short on the built-in model", "waits": "Host waits a step", "sd21": "A step of Stable Diffusion 2.1",
          "iteration": "The published iteration and the engine's, Stable Diffusion 1.5 with random weights",
          "sdxl": "A step of Stable Diffusion XL", "sd35-medium": "A step of Stable Diffusion 3.5 Medium"}
ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit(NO_GPU)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.part:
        from benchmarks.gpu_parts import Sizes, run_part
        run_part(args.part, torch.device(args.device), Sizes(),
                 lambda record: keep(args.out / f"{args.part}.json", record))
        return
    on = machine(torch.device(args.device))
    result, texts = {"machine": on, "parts": {}}, [f"# {on['device']}, torch {on['torch']}", ""]
    print(texts[0], flush=True)
    for name in args.parts:
        command = [sys.executable, "-m", "benchmarks.gpu", "--part", name, "--device", args.device, "--out",
                   str(args.out.resolve())]
        result["parts"][name] = part = attempt(command, LIMITS[name], args.out / f"{name}.json")
        texts.append(as_markdown(name, part))
        print(texts[-1], flush=True)
        keep(args.out / "gpu.json", result)
        (args.out / "gpu.md").write_text("\n".join(texts), encoding="utf-8")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and gpu.md")
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: to try the command")
    parser.add_argument("--part", choices=LIMITS, help=argparse.SUPPRESS)  # what a part's own process is started with
    return parser.parse_args(arguments)


def keep(path: Path, record: dict) -> None:
    write_atomically(path, lambda place: place.write_text(json.dumps(record, indent=1), encoding="utf-8"))


def attempt(command: Sequence[str], limit: float, path: Path) -> dict:
    """Runs a part, and reads what it kept in `path`. unfinished: why it did not come to its end, or empty."""
    path.unlink(missing_ok=True)
    began, unfinished = time.monotonic(), ""
    try:
        done = subprocess.run(command, timeout=limit, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
        if done.returncode:
            unfinished = (done.stderr.strip().splitlines() or [f"It ended with {done.returncode}."])[-1]
    except subprocess.TimeoutExpired:
        unfinished = f"It was stopped after its {limit:g} s."
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {"wall_seconds": time.monotonic() - began, "unfinished": unfinished, "found": found}


# ---------------------------------------------------------------- in words

def as_markdown(name: str, part: dict) -> str:
    found = part["found"]
    told = {"short": short_markdown, "iteration": iteration_markdown, "waits": waits_markdown}.get(name, step_markdown)
    body = [told(found)] if found else []
    body += [f"Not finished: {part['unfinished']}"] if part["unfinished"] else []
    return "\n\n".join([f"## {TITLES[name]} ({part['wall_seconds']:.0f} s)", *body, ""])


def short_markdown(found: dict) -> str:
    lines = [f"{found['steps']} of {found['of']} steps in {found['seconds']:.1f} s: {found['seconds_a_step']:.3f} s a step, "
             f"the first {found['seconds_of_the_first']:.1f} s. {found['memory']}"]
    if stages := found.get("stages"):
        lines.append(markdown_table(["stage", "seconds a step"], [[s, f"{v:.3f}"] for s, v in stages.items() if v]))
    rows = [[r["attribute"], *("{:.2f} ({:.2f} to {:.2f})".format(*r[f"bias_{side}"]) for side in ("original", "tuned")),
             f"{r['floor']:.2f}", str(r["prompt_count"]), str(r["images_a_prompt"])]
            for r in found.get("held_out", []) if r.get("controlled") and r["prompts"] == "held out"]
    if rows:
        lines.append(markdown_table(["held-out bias", "before", "after", "floor", "prompts", "images each"], rows))
    return "\n\n".join(lines)


def step_markdown(found: dict) -> str:
    return (f"{found['label']}, {found['pixels']} pixels, {found['images']} images, {found['sampling_steps']} sampling "
            f"steps, all with gradient, originals painted in the step: {found['seconds']:.2f} s, "
            f"{found['weights_gb']:.1f} GB held, {found['peak_gb']:.1f} GB at the peak. {found['memory']}")


def waits_markdown(found: dict) -> str:
    of_them = ", ".join(f"{name} {n}" for name, n in found["of_them"].items())
    elsewhere = found.get("elsewhere")
    more = "" if elsewhere is None else f" Elsewhere than allowed: {elsewhere or 'never'}."
    return f"{found['operations']:,} tensor operations, {found['reads']} host reads ({of_them}).{more}"


if __name__ == "__main__":
    main()
