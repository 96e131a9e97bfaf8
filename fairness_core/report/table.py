"""Comparisons -> a table of measures: as data, as CSV, and in words."""

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np

from fairness_core.metrics import AttributeSummary, summarise
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.settings.context import HELD_OUT, IN_CONTEXT, TRAINED, evaluation_group

COLUMNS = (
    "attribute", "controlled", "group", "prompts", "images", "faces_before", "faces_after",
    "bias_before", "bias_before_low", "bias_before_high",
    "bias_after", "bias_after_low", "bias_after_high", "bias_floor",
    "distance_before", "distance_before_low", "distance_before_high",
    "distance_after", "distance_after_low", "distance_after_high", "distance_floor",
    "clip_text_before", "clip_text_after", "clip_image", "dino",
    "faces_baseline", "bias_baseline", "bias_baseline_low", "bias_baseline_high",
    "distance_baseline", "distance_baseline_low", "distance_baseline_high",
    "clip_text_baseline", "clip_image_baseline", "dino_baseline", "at_parity")
READING = (
    "The classes are what a classifier perceives in a face. They say nothing about how anyone identifies, and the "
    "classifier errs. Distance is half the L1 distance to the target, bias the mean difference between the frequencies of "
    "two classes; bias is told where the target is equal shares, for elsewhere it may grow while the target comes nearer. "
    "Both are means over prompts with a 95 % interval in brackets: of a distance the one that decides the verdict, of a "
    "bias the bootstrap over prompts. The floor is what "
    "a model that meets the target exactly scores on average with as many images: a figure near it cannot be told from "
    "a perfect one. Images without a face are left out of bias and distance.")


def metrics_table(comparisons: Sequence[PromptComparison], target: TargetDistribution,
                  own_targets: Mapping[str, TargetDistribution] | None = None) -> list[dict]:
    """One row an attribute and group of prompts, with the keys COLUMNS.

    Attributes: the controlled ones, their joint classes when there are several, then those that were perceived but
    not controlled (against parity, without distance). Groups: all prompts, and trained on / not trained on / in context
    (not trained on, a role said in words) where there are several. What cannot be measured (no face in the group) is
    None. No comparisons: no rows. at_parity: whether the shares are measured against equal ones, all of them; bias tells
    of nothing else.
    own_targets: of the prompts that do not follow `target`, by prompt (FinetuneConfig.own_targets).
    """
    targets = {c.prompt: (own_targets or {}).get(c.prompt, target) for c in comparisons}
    measured = {name: {prompt: t.marginal(name) for prompt, t in targets.items()} for name in target.names}
    if len(target.names) > 1:
        measured[target.names] = {prompt: t.joint for prompt, t in targets.items()}
    perceived = comparisons[0].original.probabilities if comparisons else {}
    measured |= {name: None for name in perceived if name not in target.names}
    return [table_row(group, members, names, ratios)
            for names, ratios in measured.items() for group, members in prompt_groups(comparisons).items()]


def sweep_table(sweep: Mapping[float, Sequence[PromptComparison]], target: TargetDistribution,
                own_targets: Mapping[str, TargetDistribution] | None = None) -> list[dict]:
    """The rows of metrics_table at every guidance scale, which comes first in each."""
    return [{"guidance_scale": scale} | row
            for scale, comparisons in sweep.items() for row in metrics_table(comparisons, target, own_targets)]


def prompt_groups(comparisons: Sequence[PromptComparison]) -> dict[str, list[PromptComparison]]:
    if not comparisons:
        return {}
    split: dict[str, list[PromptComparison]] = {name: [] for name in (TRAINED, HELD_OUT, IN_CONTEXT)}
    for comparison in comparisons:
        split[evaluation_group(comparison.prompt, comparison.held_out)].append(comparison)
    split = {name: members for name, members in split.items() if members}
    return {"all": list(comparisons)} | (split if len(split) > 1 else {})


def table_row(group: str, comparisons: list[PromptComparison], names: str | tuple[str, ...],
              ratios: Mapping[str, np.ndarray] | None) -> dict:
    row = dict.fromkeys(COLUMNS) | {
        "attribute": names if isinstance(names, str) else " x ".join(names), "controlled": ratios is not None,
        "group": group, "prompts": len(comparisons), "images": sum(len(c.original.found) for c in comparisons),
        "at_parity": ratios is None or all(is_parity(ratios[c.prompt]) for c in comparisons)}
    for when, sets in image_sets(comparisons).items():  # "after" is the last: the floors are its
        row[f"faces_{when}"] = sum(int(s.found.sum()) for s in sets)
        if row[f"faces_{when}"]:
            row |= measures(summarise(sets, names, ratios), when)
    similarities = {"clip_text_before": "clip_text_original", "clip_text_after": "clip_text_tuned",
                    "clip_image": "clip_image", "dino": "dino"}
    row |= {key: mean_similarity([getattr(c, field) for c in comparisons]) for key, field in similarities.items()}
    if has_baseline(comparisons):
        row |= {f"{name}_baseline": mean_similarity([getattr(c.baseline, name) for c in comparisons])
                for name in ("clip_text", "clip_image", "dino")}
    return row


def has_baseline(comparisons: Sequence[PromptComparison]) -> bool:
    """Whether the baseline was painted for every prompt: a mean over other prompts could not be compared."""
    return bool(comparisons) and all(c.baseline is not None for c in comparisons)


def image_sets(comparisons: Sequence[PromptComparison]) -> dict[str, list[ImageSet]]:
    """The images before, by words in the prompt where these were painted, and after."""
    words = {"baseline": [c.baseline.images for c in comparisons]} if has_baseline(comparisons) else {}
    return {"before": [c.original for c in comparisons]} | words | {"after": [c.tuned for c in comparisons]}


def is_parity(ratios: np.ndarray) -> bool:
    """Whether every class is to be as frequent as any other; ratios: of any shape, summing to 1."""
    return bool(np.allclose(ratios, 1 / np.size(ratios), atol=1e-3))


def measures(summary: AttributeSummary, when: str) -> dict:
    """The entries of one side; the floors end as those of the side measured last, "after"."""
    entries = {}
    for name, value in (("bias", summary.bias), ("distance", summary.distance)):
        if value is not None:
            entries |= {f"{name}_{when}": value.mean, f"{name}_{when}_low": value.low,
                        f"{name}_{when}_high": value.high, f"{name}_floor": value.floor}
    return entries


def mean_similarity(values: Sequence[np.ndarray]) -> float | None:
    """Mean over prompts of each prompt's mean over images; None where nothing finite was measured."""
    means = [float(v[np.isfinite(v)].mean()) for v in map(np.asarray, values) if np.isfinite(v).any()]
    return float(np.mean(means)) if means else None


def to_csv(table: Sequence[dict]) -> str:
    """Rows of one kind as CSV with a header; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]) if table else COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def printed(table: Sequence[dict]) -> tuple[list[str], list[list[str]]]:
    """The table for people: header and rows of text, every figure with its interval and floor, and no bias where the
    target is not parity."""
    header = ["Perceived", "Prompts", "Faces / images", "Bias before", "Bias after", "Bias floor", "Distance before",
              "Distance after", "Distance floor", "CLIP-T before", "CLIP-T after", "CLIP-I", "DINO"]
    return header, [[
        row["attribute"] + ("" if row["controlled"] else " (not controlled)"), f"{row['group']} ({row['prompts']})",
        f"{row['faces_before']} → {row['faces_after']} / {row['images']}",
        *((with_interval(row, "bias_before"), with_interval(row, "bias_after"), figure_text(row["bias_floor"]))
          if row["at_parity"] else ("–",) * 3),
        with_interval(row, "distance_before"), with_interval(row, "distance_after"), figure_text(row["distance_floor"]),
        *(figure_text(row[key]) for key in ("clip_text_before", "clip_text_after", "clip_image", "dino")),
    ] for row in table]


def figure_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def with_interval(row: dict, key: str) -> str:
    return "–" if row[key] is None else f"{row[key]:.2f} [{row[key + '_low']:.2f}, {row[key + '_high']:.2f}]"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"
    return "\n".join([line(header), line(["-"] * len(header)), *map(line, rows)])
