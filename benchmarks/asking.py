"""How much of a target reaches the gradient, by images a prompt and by the confidence that a label needs.

python -m benchmarks.asking assets/recorded/mini-medium [--side tuned] [--images 4 8 12 24] [--confidence .6 .4 0]
    [--together]
Paints nothing: takes batches from the pictures of a recorded run, as it perceived them, and asks the transport what each
is to become. Where few are asked, a finetune stands still, whatever its rate; where asking is noisy, it needs steps.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fairness_core.report import markdown_table
from fairness_core.results import ImageSet, PromptComparison
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
    found = [of_prompt(getattr(c, side), target, images, weights) for c, target in zip(comparisons, targets)]
    for attribute in targets[0].names:
        asked, ways, variances, gaps = np.array([of_attribute[attribute] for of_attribute in found]).T
        yield Pull(attribute, float(asked.mean()), float(ways.mean() / gaps.mean()),
                   float(np.sqrt(variances.mean() * images / together) / gaps.mean()))


def of_prompt(seen: ImageSet, target: TargetDistribution, images: int, weights: LossWeights) -> dict[str, tuple[float, ...]]:
    """By attribute, of one prompt: share asked, way towards the target, variance over batches, distance to the target."""
    faces = {name: values[seen.found] for name, values in seen.probabilities.items()}
    rng, asked, steps = np.random.default_rng(0), defaultdict(list), defaultdict(list)
    for _ in range(BATCHES):
        rows = rng.permutation(int(seen.found.sum()))[:images]
        batch = {name: values[rows] for name, values in faces.items()}
        labels, applies = transport_labels(batch, np.ones(len(rows), bool), target, weights, rng)
        for name in target.names:
            towards = np.eye(batch[name].shape[1])[labels[name]] - batch[name]
            steps[name].append((towards * applies[name][:, None]).mean(0))
            asked[name].append(applies[name].mean())
    gaps = {name: target.marginal(name) - faces[name].mean(0) for name in target.names}
    return {name: (np.mean(asked[name]), np.mean(steps[name], 0) @ gap / max(np.linalg.norm(gap), 1e-9),
                   np.var(steps[name], axis=0).sum(), np.linalg.norm(gap)) for name, gap in gaps.items()}


class Together(TargetDistribution):
    """Transported as one table of joint classes, as the paper does, also where it is a product."""

    def independent_parts(self) -> tuple[TargetDistribution, ...]:
        return (self,)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a run with comparisons")
    parser.add_argument("--side", choices=SIDES, default=SIDES[0], help="pictures before or after the finetune")
    parser.add_argument("--images", type=int, nargs="+", default=[4, 8, 12, 24], help="images a prompt")
    parser.add_argument("--confidence", type=float, nargs="+", default=[0.6, 0.4, 0.0])
    parser.add_argument("--together", action="store_true",
                        help="all attributes in one transport, as the paper does: what the engine gains by its own")
    args = parser.parse_args(arguments)
    folder = RunFolder(args.run)
    config, comparisons = read_config(folder), load_comparisons(folder, as_perceived=True)
    targets = [config.target(c.prompt) for c in comparisons]
    if args.together:
        targets = [Together(target.attributes, target.joint) for target in targets]
    rows = [[f"{confidence:g}", str(images), pull.attribute, f"{pull.asked:.0%}", f"{pull.way:.2f}", f"{pull.noise:.2f}"]
            for confidence in args.confidence for images in args.images
            for pull in pulls(comparisons, targets, args.side, images, replace(config.losses, confidence=confidence))]
    print(markdown_table(["confidence", "images a prompt", "attribute", "asked", "way", "noise of 24 images"], rows))


if __name__ == "__main__":
    main()
