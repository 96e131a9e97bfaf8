"""A finetune's stand-in that takes seconds: the same adapter, prompts and steps, but no picture is painted.

python -m mini_world.measure.stand_in --preset mini-short --set steps=160 learning_rate=0.002

An experiment to choose settings by, not a measurement of the method. The embeddings of each prompt foretell who would
be shown (mini_world.measure.foretold). From these shares `images_per_prompt` pictures are drawn, and the gradient is
the one that they would give if every picture were perceived without error: the drawn shares less the target's. It is
applied at the embeddings themselves, with Gaussian noise (`--noise`) for everything else in a picture that has a say.
Kept prompts are drawn with the same random numbers before and after, and asked for the same classes. Prompts of a
step, rates, LoRA, AdamW, clipping and averaging are the engine's own. Prints the table of
mini_world.measure.carry_over after the last step.
"""

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from fairness_core.adapters.attach import attach_adapter
from fairness_core.settings.config import ConfigError, FinetuneConfig, from_plain, to_plain
from fairness_core.settings.presets import FOLDER, load_preset
from fairness_core.settings.prompts import ConceptsError, prompts_of_groups
from fairness_core.training.average import MovingAverage
from fairness_core.training.step_plan import kept_prompts_of_step, prompts_of_step, rate_at
from mini_world.measure.carry_over import Measured, carry_over, save_table, targets_of
from mini_world.measure.foretold import (TextModel, embeddings_of, foretold, load_text_model, mean_after_end,
                                         read_centred)


@dataclass(frozen=True)
class Weights:
    """noise: deviation of one picture's gradient at the told logits, where a wrong class alone gives 1; semantics: how
    strongly told logits are held to the original's, for each unit of the settings' semantics loss weight; keep: how
    much a kept prompt counts against another. noise and semantics as they are make the stand-in of the presets
    mini-short and mini-medium end where the painted runs did."""

    noise: float = 1.0
    semantics: float = 0.05
    keep: float = 1.0


def main() -> None:
    args = arguments()
    try:
        config = chosen_config(args)
        model, measured = load_text_model(), Measured(config.prompts)
        before = measured(model)
        train(model, config, Weights(args.noise, args.semantics, args.keep))
    except (ConfigError, ConceptsError, OSError) as error:
        raise SystemExit(f"stand_in: {error}") from None
    save_table(carry_over(before, measured(model), targets_of(config)), args.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mini_world.measure.stand_in", description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="mini-short", help="whose settings to begin with, a file of assets/presets")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other values of its settings")
    parser.add_argument("--more", nargs=2, action="append", default=[], metavar=("FILE", "GROUP"),
                        help="further prompts: a file of assets/prompts and one of its groups")
    parser.add_argument("--every", type=int, default=1, help="take only every so many of the further prompts")
    parser.add_argument("--noise", type=float, default=Weights.noise, help="of one picture's gradient")
    parser.add_argument("--semantics", type=float, default=Weights.semantics, help="pull towards the original's, for each unit of losses.semantics")
    parser.add_argument("--keep", type=float, default=Weights.keep, help="how much a kept prompt counts against another")
    parser.add_argument("--out", type=Path, default=Path("build/stand_in"), help="folder for the table and its figures")
    return parser.parse_args()


def chosen_config(args: argparse.Namespace) -> FinetuneConfig:
    """The preset's settings with those of --set, --more and --every. Raises ConfigError or ConceptsError."""
    config = load_preset(FOLDER / f"{args.preset}.yaml").config
    more = [prompt for file, group in args.more for prompt in prompts_of_groups(file, [group])[::args.every]]
    config = replace(config, prompts=tuple(dict.fromkeys((*config.prompts, *more))))
    if wrong := [setting for setting in args.set if "=" not in setting]:
        raise ConfigError(f"--set {wrong[0]}: write NAME=VALUE, for instance steps=160.")
    changed = {name: yaml.safe_load(value) for name, value in (setting.split("=", 1) for setting in args.set)}
    return from_plain(to_plain(config) | changed)


def train(model: TextModel, config: FinetuneConfig, weights: Weights) -> None:
    """Attaches an adapter finetuned by these settings; its weights are their moving average.

    Raises ConfigError for settings that do not tune the text encoder.
    """
    if config.tune not in ("text_encoder", "tokens"):
        raise ConfigError(f"tune is {config.tune!r}: only what the text encoder says is known here, so tune "
                          "'text_encoder' or 'tokens'.")
    originals = {prompt: {name: values[0] for name, values in foretold(model, [prompt]).items()}
                 for prompt in (*config.prompts, *config.kept_prompts)}
    parameters = attach_adapter(model, config.tune, rank=config.lora_rank, alpha=config.lora_alpha or config.lora_rank,
                                targets=config.lora_targets, soft_tokens=config.soft_tokens, seed=config.seed)
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    average, generator = MovingAverage.of(parameters, config.ema_decay), torch.Generator().manual_seed(config.seed)
    for step in range(config.steps):
        optimizer.zero_grad()
        step_loss(model, config, step, originals, weights, generator).backward()
        nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.param_groups[0]["lr"] = rate_at(config, step)
        optimizer.step()
        average.update(parameters)
    for parameter, value in zip(parameters, average.values):
        parameter.data = value / average.weight


def step_loss(model: TextModel, config: FinetuneConfig, step: int, originals: dict[str, dict[str, Tensor]],
              weights: Weights, generator: torch.Generator) -> Tensor:
    """Mean over the step's prompts of losses whose gradients are those of drawn pictures; their values mean nothing."""
    drawn, kept = Counter(prompts_of_step(config, step)), kept_prompts_of_step(config, step)
    prompts = [*drawn, *kept]
    told = read_centred(mean_after_end(model, embeddings_of(model, prompts), prompts))
    targets = {name: torch.from_numpy(shares).float() for name, shares in targets_of(config).items()}
    held = weights.semantics * config.losses.semantics
    total = weights.noise * disturbance({name: told[name] for name in targets}, config.images_per_prompt, generator)
    for i, prompt in enumerate(prompts):
        images = drawn.get(prompt, 1) * config.images_per_prompt
        for name, values in originals[prompt].items():
            mine, numbers = told[name][i], torch.rand(images, len(values), generator=generator)
            total = total + held * (mine - values).square().sum() / 2
            if prompt in drawn and name in targets:
                total = total + mine @ (drawn_shares(mine, numbers) - targets[name])
            elif prompt not in drawn:
                total = total + weights.keep * mine @ (drawn_shares(mine, numbers) - drawn_shares(values, numbers))
    return total / len(prompts)


def drawn_shares(logits: Tensor, numbers: Tensor) -> Tensor:
    """Shares [classes] of pictures that show softmax(logits [classes]); numbers: uniform [pictures, classes]."""
    shown = (logits.detach() - torch.log(-torch.log(numbers))).argmax(-1)
    return torch.bincount(shown, minlength=len(logits)) / len(numbers)


def disturbance(told: dict[str, Tensor], images: int, generator: torch.Generator) -> Tensor:
    """A loss whose gradient at the told logits is noise: of one picture standard normal, of `images` their mean."""
    return sum((values * torch.randn(values.shape, generator=generator)).sum() for values in told.values()) / images ** .5


if __name__ == "__main__":
    main()
