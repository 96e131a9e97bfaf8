"""How far a bias unlearned on some concepts is unlearned on others, in seconds and without painting.

python -m mini_world.measure.carry_over --run assets/recorded/mini-short
python -m mini_world.measure.carry_over --adapter pytorch_lora_weights.safetensors

Of each prompt the text encoder foretells who is shown (mini_world.measure.foretold). The slope is that of the line
(with an intercept) through "before" and "after" over prompts, by logits: 1 where nothing was unlearned, 0 where what
the prompts were told no longer shows. It writes carry_over.json and carry_over.md into --out.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fairness_core.adapters.files import AdapterError
from fairness_core.metrics import bootstrap_interval, distance_to_target
from fairness_core.report import markdown_table
from fairness_core.runs import RunError, RunFolder, read_config
from fairness_core.settings.config import ConfigError, FinetuneConfig
from fairness_core.settings.prompts import load_concepts, prompt_for
from mini_world.measure.foretold import (TextModel, attach_text_adapter, foretold, load_text_model, named_groups,
                                         prompt_groups)
from mini_world.portraits import CLASSES

Foretold = dict[str, dict[str, Tensor]]  # group -> attribute -> centred logits [prompts, classes]
Targets = dict[str, np.ndarray]  # attribute -> shares [classes]
EMPTY = "empty prompt"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mini_world.measure.carry_over", description=__doc__.split("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", type=Path, help="folder of a run of the built-in model")
    which.add_argument("--adapter", type=Path, help="an adapter's file, finetuned on the training concepts of "
                                                    "concepts.yaml towards equal shares")
    parser.add_argument("--out", type=Path, default=Path("build/carry_over"), help="folder for the table and figures")
    args = parser.parse_args()
    try:
        path, prompts, targets = of_run(RunFolder(args.run)) if args.run else of_adapter(args.adapter)
        model, measured = load_text_model(), Measured(prompts)
        before = measured(model)
        attach_text_adapter(model, path)
    except (AdapterError, ConfigError, RunError) as error:
        parser.error(str(error))
    save_table(carry_over(before, measured(model), targets), args.out)


def of_run(run: RunFolder) -> tuple[Path, tuple[str, ...], Targets]:
    """(adapter's file, prompts finetuned on, target). Raises RunError or ConfigError for a run that is not the
    built-in model's."""
    config = read_config(run)
    if config.model != "mini":
        raise ConfigError(f"This run is of {config.model!r}: only the built-in model (mini) foretells who is shown "
                          "along known directions. Choose a run of the built-in model.")
    return run.adapter, config.prompts, targets_of(config)


def of_adapter(path: Path) -> tuple[Path, tuple[str, ...], Targets]:
    """The same for a file alone, of which no settings are known."""
    return path, tuple(map(prompt_for, load_concepts().train)), {
        name: np.full(len(classes), 1 / len(classes)) for name, classes in CLASSES.items()}


class Measured:
    """Reads what a model foretells of every group of prompts, the empty prompt and named people among them."""

    def __init__(self, finetuned: tuple[str, ...]):
        self.prompts = prompt_groups(finetuned) | {group: list(of) for group, of in named_groups().items()} | {EMPTY: [""]}

    def __call__(self, model: TextModel) -> Foretold:
        return {group: foretold(model, prompts) for group, prompts in self.prompts.items()}


def targets_of(config: FinetuneConfig) -> Targets:
    """Of the attributes that the run controls."""
    target = config.target()
    return {name: target.marginal(name) for name in target.names if name in CLASSES}


def carry_over(before: Foretold, after: Foretold, targets: Targets) -> dict:
    """{"unlearned": attribute -> group -> figures, "kept": group -> figures, "empty prompt": attribute -> shares before
    and after}; the first of the attributes in `targets`."""
    named = named_groups()
    return {"unlearned": {name: {group: unlearned(of[name].numpy(), after[group][name].numpy(), target)
                                 for group, of in before.items() if group not in (*named, EMPTY)}
                          for name, target in targets.items()},
            "kept": {group: kept(before[group], after[group], list(of.values())) for group, of in named.items()},
            EMPTY: {name: [rounded(softmax(told[EMPTY][name].numpy())[0].tolist()) for told in (before, after)]
                    for name in CLASSES}}


def unlearned(before: np.ndarray, after: np.ndarray, target: np.ndarray) -> dict:
    """n; slope and its interval; mean distance (half L1, 0 is reached) of the told shares from the target, before and
    after; of two classes also the mean log-odds of the first, before and after.

    before, after: centred logits [n, classes]; target: shares [classes].
    """
    distance = [float(np.mean([distance_to_target(shares, target) for shares in softmax(values)]))
                for values in (before, after)]
    figures = {"n": len(before), **with_bootstrap(before, after, slope_of_line), "distance": rounded(distance)}
    if len(target) == 2:
        figures["log_odds"] = rounded([2 * float(values[:, 0].mean()) for values in (before, after)])
    return figures


def kept(before: dict[str, Tensor], after: dict[str, Tensor], named: list[dict[str, str]]) -> dict:
    """n; how much of the logits of the classes that prompts name is left (slope through the origin), and its interval."""
    def of_named(told: dict[str, Tensor]) -> np.ndarray:
        return np.array([[told[name][i, CLASSES[name].index(classes[name])].item() if name in classes else 0.0
                          for name in CLASSES] for i, classes in enumerate(named)])

    return {"n": len(named), **with_bootstrap(of_named(before), of_named(after), slope_through_origin)}


def slope_of_line(before: np.ndarray, after: np.ndarray) -> float:
    """Least squares with an intercept for each class; one slope for all."""
    return slope_through_origin(before - before.mean(0), after)


def slope_through_origin(before: np.ndarray, after: np.ndarray) -> float:
    return float((before * after).sum() / np.square(before).sum())


def with_bootstrap(before: np.ndarray, after: np.ndarray, slope: Callable) -> dict:
    """The slope, and its 95 % interval over prompts drawn anew; a draw of one prompt alone, which has none, counts as
    no change of it."""
    found = slope(before, after)
    drawn = lambda rows: slope(before[rows], after[rows]) if np.ptp(rows) else found
    return {"slope": round(found, 3), "interval": rounded(bootstrap_interval(np.arange(len(before)), drawn))}


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(-1).numpy()


def rounded(values) -> list[float]:
    return [round(value, 3) for value in values]


def table(figures: dict) -> str:
    """In Markdown."""
    def interval(entry: dict) -> str:
        return f"{entry['slope']:.2f} ({entry['interval'][0]:.2f} to {entry['interval'][1]:.2f})"

    pair = lambda values: f"{values[0]:.2f} → {values[1]:.2f}"
    rows = [[name, group, str(entry["n"]), interval(entry), pair(entry["distance"]),
             pair(entry["log_odds"]) if "log_odds" in entry else "–"]
            for name, groups in figures["unlearned"].items() for group, entry in groups.items()]
    kept_rows = [[group, str(entry["n"]), interval(entry)] for group, entry in figures["kept"].items()]
    header = ["attribute", "prompts", "n", "slope, after over before", "told shares' distance from the target",
              "mean log-odds of the first class"]
    shares = lambda values: ", ".join(f"{value:.2f}" for value in values)
    empty_rows = [[name, ", ".join(CLASSES[name]), *map(shares, told)] for name, told in figures[EMPTY].items()]
    return "\n\n".join([
        markdown_table(header, rows), markdown_table(["prompts", "n", "kept of what is named"], kept_rows),
        markdown_table([f"{EMPTY}, which guidance leads away from", "classes", "told before", "after"], empty_rows)])


def save_table(figures: dict, folder: Path) -> None:
    """Prints the table and writes carry_over.md and carry_over.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "carry_over.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (folder / "carry_over.md").write_text(table(figures) + "\n", encoding="utf-8")
    print(table(figures))


if __name__ == "__main__":
    main()
