"""A comparison as JSON-ready data: the measures table, every prompt's frequencies, and the verdicts."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from fairness_core.metrics import Verdict, summarise, verdict, wilson_interval
from fairness_core.metrics.diversity import diversity
from fairness_core.metrics.side_effects import side_effects
from fairness_core.report.table import mean_similarity, metrics_table
from fairness_core.results import Baseline, ImageSet, PromptComparison
from fairness_core.settings.attributes import TargetDistribution, load_attributes
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.ratios import TargetError


def results_record(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> dict:
    """What /compare and metrics.json tell: the settings that the pictures depend on, the table (see metrics_table),
    every prompt's frequencies with their intervals, and the verdicts on the tuned pictures; how different the faces of a
    class are (see metrics.diversity) and what else moved (see metrics.side_effects), empty where that was not measured.

    Without a target there is nothing to measure against: table and verdicts are empty.
    """
    settings = {name: getattr(config, name) for name in ("model", "guidance_scale", "seed")}
    settings["sampling_steps"] = config.steps_shown
    return {"settings": settings, "table": results_table(comparisons, config),
            "prompts": [prompt_record(c) for c in comparisons],
            "verdicts": {name: asdict(told) for name, told in verdicts(comparisons, config).items()},
            "diversity": [asdict(row) for row in diversity(comparisons)],
            "side_effects": [asdict(row) for row in side_effects(comparisons)]}


def target_if_any(config: FinetuneConfig) -> TargetDistribution | None:
    """None for settings that control nothing, such as those of the original model's pictures."""
    try:
        return config.target()
    except TargetError:
        return None


def results_table(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> list[dict]:
    """metrics_table against the targets of the settings; no rows without one."""
    target = target_if_any(config)
    return metrics_table(comparisons, target, config.own_targets()) if target else []


def verdicts(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> dict[str, Verdict]:
    """One verdict on the tuned pictures for each controlled attribute; none without a target or a face."""
    target, tuned = target_if_any(config), [c.tuned for c in comparisons if c.tuned.found.any()]
    if target is None or not tuned:
        return {}
    summaries = {name: summarise(tuned, name, {s.prompt: config.target(s.prompt).marginal(name) for s in tuned})
                 for name in target.names}
    return {name: verdict(found.counts, found.references) for name, found in summaries.items()}


def prompt_record(comparison: PromptComparison) -> dict:
    measured = {"clip_text_before": comparison.clip_text_original, "clip_text_after": comparison.clip_text_tuned,
                "clip_image": comparison.clip_image, "dino": comparison.dino}
    return {"prompt": comparison.prompt, "held_out": bool(comparison.held_out), "images": len(comparison.original.found),
            "before": side_record(comparison.original), "after": side_record(comparison.tuned),
            "baseline": comparison.baseline and baseline_record(comparison.baseline),
            **{name: mean_similarity([np.asarray(values)]) for name, values in measured.items()}}


def baseline_record(baseline: Baseline) -> dict:
    """The side, what each picture was painted from, why no words were put in (or empty), and the similarities."""
    return side_record(baseline.images) | {"prompts": list(baseline.prompts), "left_alone": baseline.left_alone} | {
        name: mean_similarity([getattr(baseline, name)]) for name in ("clip_text", "clip_image", "dino")}


def side_record(images: ImageSet) -> dict:
    """attribute -> class -> its frequency among the faces, with Wilson's 95 % interval; nothing of an attribute that
    assets/attributes.yaml no longer holds."""
    known, faces = load_attributes(), int(images.found.sum())
    frequencies = {}
    for name in (name for name in images.probabilities if faces and name in known):
        counts = np.bincount(images.labels(name), minlength=images.probabilities[name].shape[-1])
        frequencies[name] = {
            cls: dict(zip(("frequency", "low", "high"), (int(count) / faces, *wilson_interval(count, faces))))
            for cls, count in zip(known[name].class_names, counts, strict=True)}
    return {"images": len(images.found), "faces": faces, "frequencies": frequencies}
