"""How much of a target reaches the gradient, by images a prompt and by the confidence that a label needs.

python -m benchmarks.asking assets/recorded/mini-medium [--side tuned] [--images 4 8 12 24] [--confidence .6 .4 0]
Paints nothing: takes batches from the pictures of a recorded run, as it perceived them, and asks the transport what each
is to become. Where few are asked, a finetune stands still, whatever its rate; where asking is noisy, it needs steps.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fairness_core.evaluation.compare import PromptComparison
from fairness_core.report import markdown_table
from fairness_core.runs import RunFolder, load_comparisons, read_config
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.settings.config import LossWeights
from fairness_core.training.asking import transport_labels

SIDES = ("original", "tuned")
BATCHES = 12  # of each prompt


@dataclass(frozen=True)
class Pull:
    """What one attribute's alignment loss does, mean over prompts.

    asked: share of the faces that are asked for a class; way: how far the loss's gradient at the logits points to the
    target, as a share of the way there (1: as if every label were certain); noise: its deviation from batch to batch
    in the same unit, were every batch of `together` images.
    """

    attribute: str
    asked: float
    way: float
    noise: float


def pulls(comparisons: Sequence[PromptComparison], targets: Sequence[TargetDistribution], side: str, images: int,
          weights: LossWeights, together: int = 24) -> Iterator[Pull]:
    """One an attribute, for batches of so many images a prompt."""
    for attribute in targets[0].names:
        found = [of_prompt(getattr(c, side), target, attribute, images, weights) for c, target in zip(comparisons, targets)]
        asked, ways, variances, gaps = np.array(found).T
        yield Pull(attribute, float(asked.mean()), float(ways.mean() / gaps.mean()),
                   float(np.sqrt(variances.mean() * images / together) / gaps.mean()))


def of_prompt(seen, target: TargetDistribution, attribute: str, images: int, weights: LossWeights) -> tuple[float, ...]:
    """Share asked, way towards the target, variance over batches, distance to the target, of one prompt."""
    faces = {name: values[seen.found] for name, values in seen.probabilities.items()}
    here, rng = faces[attribute], np.random.default_rng(0)
    gap = target.marginal(attribute) - here.mean(0)
    distance = float(np.linalg.norm(gap))
    steps, asked = [], []
    for _ in range(BATCHES):
        rows = rng.permutation(len(here))[:images]
        labels, applies = transport_labels({name: values[rows] for name, values in faces.items()},
                                           np.ones(len(rows), bool), target, weights, rng)
        towards = np.eye(here.shape[1])[labels[attribute]] - here[rows]
        steps.append((towards * applies[attribute][:, None]).mean(0))
        asked.append(applies[attribute].mean())
    way = np.mean(steps, 0) @ gap / max(distance, 1e-9)
    return float(np.mean(asked)), float(way), float(np.var(steps, axis=0).sum()), distance


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a run with comparisons")
    parser.add_argument("--side", choices=SIDES, default=SIDES[0], help="pictures before or after the finetune")
    parser.add_argument("--images", type=int, nargs="+", default=[4, 8, 12, 24], help="images a prompt")
    parser.add_argument("--confidence", type=float, nargs="+", default=[0.6, 0.4, 0.0])
    args = parser.parse_args(arguments)
    folder = RunFolder(args.run)
    config, comparisons = read_config(folder), load_comparisons(folder, as_perceived=True)
    targets = [config.target(c.prompt) for c in comparisons]
    rows = [[f"{confidence:g}", str(images), pull.attribute, f"{pull.asked:.0%}", f"{pull.way:.2f}", f"{pull.noise:.2f}"]
            for confidence in args.confidence for images in args.images
            for pull in pulls(comparisons, targets, args.side, images, replace(config.losses, confidence=confidence))]
    print(markdown_table(["confidence", "images a prompt", "attribute", "asked", "way", "noise of 24 images"], rows))


if __name__ == "__main__":
    main()
