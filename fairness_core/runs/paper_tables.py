"""The tables of the paper (METHOD section 7), for any list of evaluated runs, as Markdown and CSV."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fairness_core.metrics import bootstrap_interval, summarise
from fairness_core.report import markdown_table, to_csv
from fairness_core.report.table import is_parity, mean_similarity
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.runs import RunError, RunFolder, load_comparisons, read_config
from fairness_core.settings.attributes import TargetDistribution, load_attributes
from fairness_core.settings.context import HELD_OUT, IN_CONTEXT, TRAINED, evaluation_group
from fairness_core.settings.prompts import concept_of, load_concepts

PARTS = ("_std", "_low", "_high", "_floor")  # of a figure; they share its cell in Markdown
OTHER = "other prompts"


@dataclass(frozen=True)
class Evaluation:
    """What a run was tuned for, and its pictures before and after."""

    target: TargetDistribution
    comparisons: tuple[PromptComparison, ...]

    @property
    def label(self) -> str:
        """ "gender x age (25 % old)": the controlled attributes, with the ratios of those that are not at parity."""
        words = []
        for attribute in self.target.attributes:
            shares = [f"{100 * ratio:.3g} % {name}" for name, ratio in
                      zip(attribute.class_names, self.target.marginal(attribute.name), strict=True)]
            words.append(attribute.name + ("" if is_parity(self.target.marginal(attribute.name)) else f" ({', '.join(shares)})"))
        return " x ".join(words)


def read_evaluation(folder: RunFolder) -> Evaluation:
    """Raises RunError for a folder without comparisons."""
    comparisons = tuple(load_comparisons(folder))
    if not comparisons:
        raise RunError(f"{folder.path} holds no comparisons: run 'python -m fairness_core evaluate' on it first.")
    return Evaluation(read_config(folder).target(), comparisons)


def paper_tables(evaluations: Sequence[Evaluation]) -> dict[str, list[dict]]:
    """title -> records. Prompts are those that every evaluation holds: not trained on by any, and trained on by all.

    Raises RunError when they share no prompt.
    """
    tables = {}
    for group, chosen in shared_prompts(evaluations).items():
        tables |= {f"Bias, {group}": bias_table(chosen), f"Frequencies, {group}": frequency_table(chosen),
                   f"Bias by concepts, {group}": concepts_table(chosen)}
    return {title: records for title, records in tables.items() if records}


def shared_prompts(evaluations: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """The evaluations on the prompts not trained on, on those in context, and on those trained on, that all of them hold."""
    groups = {}
    for group in (HELD_OUT, IN_CONTEXT, TRAINED):
        common = set.intersection(*({c.prompt for c in e.comparisons if evaluation_group(c.prompt, c.held_out) == group}
                                    for e in evaluations))
        if common:
            groups[group] = [Evaluation(e.target, tuple(c for c in e.comparisons if c.prompt in common))
                             for e in evaluations]
    if not groups:
        raise RunError("These runs were evaluated on different prompts: evaluate them with the same --prompts.")
    return groups


def bias_table(evaluations: Sequence[Evaluation]) -> list[dict]:
    """Rows: tuned for nothing, then each run. Columns: bias of every attribute held at parity and of their joint
    classes, mean and std over prompts with interval and floor; CLIP-T, CLIP-I, DINO."""
    columns = balanced_attributes(evaluations)
    first = evaluations[0].comparisons
    rows = [{"tuned for": "nothing"} | biases([c.original for c in first], columns) | {
        "CLIP-T": mean_similarity([c.clip_text_original for c in first]), "CLIP-I": None, "DINO": None}]
    for one in evaluations:
        rows.append({"tuned for": one.label} | biases([c.tuned for c in one.comparisons], columns) | {
            "CLIP-T": mean_similarity([c.clip_text_tuned for c in one.comparisons]),
            "CLIP-I": mean_similarity([c.clip_image for c in one.comparisons]),
            "DINO": mean_similarity([c.dino for c in one.comparisons])})
    return rows


def frequency_table(evaluations: Sequence[Evaluation]) -> list[dict]:
    """Every class of the attributes whose target is not parity: mean and std over prompts, before and after.

    The floor is of the std: what a model that meets the target on every prompt would have with as many images.
    """
    rows = []
    for one in evaluations:
        for attribute in one.target.attributes:
            if is_parity(one.target.marginal(attribute.name)):
                continue
            for i, ratio in enumerate(one.target.marginal(attribute.name)):
                rows.append({"tuned for": one.label, "class": f"{attribute.name}: {attribute.class_names[i]}",
                             "target": float(ratio)}
                            | frequency("before", [c.original for c in one.comparisons], attribute.name, i, ratio)
                            | frequency("after", [c.tuned for c in one.comparisons], attribute.name, i, ratio))
    return rows


def concepts_table(evaluations: Sequence[Evaluation]) -> list[dict]:
    """Bias before and after by group of concepts, for every run; prompts that name no known concept are one group."""
    columns, rows = balanced_attributes(evaluations), []
    for one in evaluations:
        groups: dict[str, list[PromptComparison]] = {}
        for comparison in one.comparisons:
            groups.setdefault(concept_group(comparison.prompt), []).append(comparison)
        for group, comparisons in groups.items():
            row = {"tuned for": one.label, "concepts": group, "prompts": len(comparisons)}
            for when, side in (("before", "original"), ("after", "tuned")):
                row |= biases([getattr(c, side) for c in comparisons], columns, f" {when}")
            rows.append(row)
    return rows


def concept_group(prompt: str) -> str:
    concept = concept_of(prompt)
    return next((name for name, group in load_concepts().groups.items() if concept in group.all), OTHER)


def balanced_attributes(evaluations: Iterable[Evaluation]) -> list[str | tuple[str, ...]]:
    """The attributes that some run holds at parity, which bias is measured against; then their joint classes."""
    evaluations = list(evaluations)
    names = [name for name in load_attributes()
             if any(name in e.target.names and is_parity(e.target.marginal(name)) for e in evaluations)]
    return [*names, tuple(names)] if len(names) > 1 else list(names)


def biases(image_sets: Sequence[ImageSet], columns: Sequence[str | tuple[str, ...]], suffix: str = "") -> dict:
    """Bias of each column; None where no image has a face."""
    entries = {}
    for names in columns:
        key = (names if isinstance(names, str) else " x ".join(names)) + suffix
        bias = summarise(image_sets, names).bias if any(s.found.any() for s in image_sets) else None
        entries |= {key: bias and bias.mean} | {key + part: bias and getattr(bias, part[1:]) for part in PARTS}
    return entries


def frequency(key: str, image_sets: Sequence[ImageSet], attribute: str, index: int, ratio: float) -> dict:
    """Mean over prompts of one class's frequency, its spread over prompts, and its interval (from 2 prompts on)."""
    if not any(s.found.any() for s in image_sets):
        return dict.fromkeys([key, *(key + part for part in PARTS)])
    prompts = summarise(image_sets, attribute).prompts
    values = np.array([p.frequencies[index] for p in prompts])
    low, high = bootstrap_interval(values) if len(values) > 1 else (prompts[0].low[index], prompts[0].high[index])
    floor = np.mean([np.sqrt(ratio * (1 - ratio) / p.faces) for p in prompts])
    return {key: float(values.mean()), key + "_std": float(values.std()), key + "_low": float(low),
            key + "_high": float(high), key + "_floor": float(floor)}


def tables_markdown(tables: dict[str, list[dict]]) -> str:
    """Every figure as "mean ± std [interval], floor", so that none stands alone."""
    parts = [f"## {title}\n\n{markdown_table(*cells(records))}" for title, records in tables.items()]
    return "\n\n".join(parts) + "\n"


def cells(records: Sequence[dict]) -> tuple[list[str], list[list[str]]]:
    header = [key for key in records[0] if not key.endswith(PARTS)]
    return header, [[cell(record, key) for key in header] for record in records]


def cell(record: dict, key: str) -> str:
    value = record[key]
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if key + "_std" not in record:
        return f"{value:.2f}"
    std, low, high, floor = (record[key + part] for part in PARTS)
    return f"{value:.2f} ± {std:.2f} [{low:.2f}, {high:.2f}], floor {floor:.2f}"


def tables_csv(tables: dict[str, list[dict]]) -> dict[str, str]:
    """title -> CSV, with the parts of a figure in columns of their own."""
    return {title: to_csv(records) for title, records in tables.items()}
