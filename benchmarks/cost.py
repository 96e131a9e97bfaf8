"""What a result costs: seconds of finetuning until a bias is reached on prompts that were not finetuned on.

python -m benchmarks.cost mini-short --bias 0.2            (the engine's and the published iteration, from one seed)
Both take the preset's steps, the same updates and the same target; only the way to the gradient differs. Every few
steps the clock stops and the averaged adapter paints the same noises of the held-out prompts, judged by the classifier
that is not trained against. A way that does not get there within the preset's steps says what it reached.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks import published
from benchmarks.machine import machine
from fairness_core.adapters.attach import detach_adapter
from fairness_core.evaluation.compare import paint, perceive
from fairness_core.metrics import MeanOverPrompts, summarise
from fairness_core.models.loading import Model, load_model
from fairness_core.report import markdown_table
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.presets import load_preset
from fairness_core.settings.prompts import load_concepts, prompt_for
from fairness_core.training import start as starting
from fairness_core.training import step as training

STEPS: dict[str, Callable[[starting.Run], object]] = {"engine": training.take_step, "published": published.take_step}


@dataclass(frozen=True)
class Plan:
    """bias: what is to be reached, of `attribute`; prompts, images: measured on; every: steps between measures."""

    bias: float
    attribute: str
    prompts: tuple[str, ...]
    images: int
    every: int


@dataclass(frozen=True)
class Point:
    """Where a way is after `steps`: seconds of finetuning (not of measuring) and the bias."""

    way: str
    steps: int
    seconds: float
    bias: MeanOverPrompts

    @property
    def words(self) -> str:
        return f"{self.bias.mean:.2f} ({self.bias.low:.2f} to {self.bias.high:.2f})"


def approach(model: Model, config: FinetuneConfig, way: str, plan: Plan) -> Iterator[Point]:
    """Finetunes until the bias is reached or the config's steps are over; the first point is the untuned model."""
    run, seconds = starting.start(model, config), 0.0
    try:
        point = Point(way, 0, 0.0, measure(run, plan))
        yield point
        while run.step < config.steps and point.bias.mean > plan.bias:
            for _ in range(min(plan.every, config.steps - run.step)):
                began = time.perf_counter()
                STEPS[way](run)
                seconds += time.perf_counter() - began
            point = Point(way, run.step, seconds, measure(run, plan))
            yield point
    finally:
        detach_adapter(model)


def measure(run: starting.Run, plan: Plan) -> MeanOverPrompts:
    """The averaged adapter's bias, mean over the plan's prompts."""
    model, config, numbers = run.model, run.config, range(plan.images)
    with run.average.applied(run.parameters):
        seen = [perceive(model.critics, prompt, numbers, paint(
            model, prompt, numbers, config.seed, config.steps_shown, config.guidance_scale)) for prompt in plan.prompts]
    return summarise(seen, plan.attribute).bias


def as_markdown(points: Sequence[Point], plan: Plan, name: str, on: dict) -> str:
    """One row a way, and what it was measured on."""
    ways = {way: [p for p in points if p.way == way] for way in dict.fromkeys(p.way for p in points)}
    rows = [[way, row[0].words, row[-1].words, str(row[-1].steps), f"{row[-1].seconds:.0f}",
             "yes" if row[-1].bias.mean <= plan.bias else "no"] for way, row in ways.items()]
    return "\n".join([
        markdown_table(["iteration", "bias before", "bias reached", "steps", "seconds of finetuning",
                        f"at most {plan.bias:g}"], rows), "",
        f"{name}: {plan.attribute}, {len(plan.prompts)} prompts not finetuned on, {plan.images} images each, measured "
        f"every {plan.every} steps (not counted); a fair model would score {points[0].bias.floor:.2f}. {on['device']}, "
        f"{on['threads']} threads of {on['cores']} cores.", ""])


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", help="a name in assets/presets")
    parser.add_argument("--bias", type=float, default=0.2, help="to be reached")
    parser.add_argument("--attribute", default="gender")
    parser.add_argument("--prompts", type=int, default=0, help="how many held-out concepts; 0: all")
    parser.add_argument("--images", type=int, default=24, help="images a prompt")
    parser.add_argument("--every", type=int, default=5, help="steps between two measures")
    parser.add_argument("--seed", type=int, help="the preset's unless given")
    parser.add_argument("--ways", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0: torch's choice")
    parser.add_argument("--out", type=Path, help="folder for cost.json and cost.md")
    args = parser.parse_args(arguments)
    if args.every < 1:
        parser.error("--every must be at least 1.")
    return args


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    config = load_preset(ASSETS / "presets" / f"{args.preset}.yaml").config
    config = config if args.seed is None else replace(config, seed=args.seed)
    config = replace(config, kept_prompts=())  # the published procedure knows none
    concepts = load_concepts().held_out[:args.prompts or None]
    plan = Plan(args.bias, args.attribute, tuple(map(prompt_for, concepts)), args.images, args.every)
    model, points = load_model(config.model), []
    for way in args.ways:
        for point in approach(model, config, way, plan):
            points.append(point)
            print(json.dumps({"way": way, "steps": point.steps, "seconds": round(point.seconds, 1),
                              "bias": round(point.bias.mean, 3)}), flush=True)
    text = as_markdown(points, plan, args.preset, machine(model.device))
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        records = [{"way": p.way, "steps": p.steps, "seconds": p.seconds, "bias": vars(p.bias)} for p in points]
        (args.out / "cost.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
        (args.out / "cost.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
