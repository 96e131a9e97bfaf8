"""Settings of a finetune -> values on the page: the inverse of settings.finetune_request."""

from typing import Any

import gradio as gr
import numpy as np

from app.engine import Engine
from app.html.fragment import fragment, note
from app.requests import settings
from app.requests.settings import JOINT_CELLS
from app.requests.settings_text import InputError, as_yaml
from app.targets import joint_table
from app.targets.sliders import CUSTOM, WHOLE, equal_percents, matching_preset
from fairness_core.settings.attributes import TargetDistribution, load_attributes
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.prompts import prompt_for

DECIMALS = 4


def page_values(config: FinetuneConfig, engine: Engine) -> dict[str, Any]:
    """Updates by name that show `config`. Raises InputError when this page cannot."""
    shown = {"model": settings.usable_model(config.model, engine), "loaded": as_yaml(config)} | target_values(config.target())
    return shown | preset_name(config, shown) | prompt_values(config) | settings.advanced_values(config)


def preset_name(config: FinetuneConfig, shown: dict[str, Any]) -> dict[str, Any]:
    """The preset that the target amounts to, if it is one; shown: its switches and sliders."""
    preset = None if shown["joint:on"] or config.targets_by_prompt else matching_preset(settings.percents_of(shown))
    if preset:
        return {"target_preset": preset.label, "preset_note": fragment("preset_note", preset=preset, details="")}
    own = f" {len(config.targets_by_prompt)} prompts have a target of their own." if config.targets_by_prompt else ""
    return {"target_preset": CUSTOM, "preset_note": note(f"The target of the loaded settings.{own}")}


def target_values(target: TargetDistribution) -> dict[str, Any]:
    """Switches, sliders and, unless the attributes are independent, the table of combinations."""
    shown: dict[str, Any] = {}
    for name, attribute in load_attributes().items():
        controlled = name in target.names
        shares = dict(zip(attribute.class_names, percents(target.marginal(name)))) if controlled else (
            equal_percents(attribute))
        shown[f"{name}:control"], shown[f"{name}:sliders"] = controlled, gr.update(visible=controlled)
        shown |= {f"{name}:{c}": share for c, share in shares.items()}
    pair = dependent_pair(target)
    pairs = joint_table.pair_choices([name for name in load_attributes() if name in target.names])
    shown |= {"joint:group": gr.update(visible=bool(pairs)), "joint:on": bool(pair),
              "joint:editor": gr.update(visible=bool(pair))}
    if pairs:
        pair = pair or pairs[0][1]
        shown["joint:pair"] = gr.update(choices=pairs, value=pair, visible=len(pairs) > 1)
        shown |= table_values(pair, exact_table(pair, target))
    return shown


def table_values(pair: str, table: joint_table.Table) -> dict[str, Any]:
    """The fields of the table, each named after its two classes; fields that this pair has not are hidden."""
    rows, columns = joint_table.axes(pair)
    shown: dict[str, Any] = {"joint:note": joint_table.note(pair, table)}
    for name, (i, j) in JOINT_CELLS.items():
        if i < len(rows.classes) and j < len(columns.classes):
            label = f"{rows.classes[i].label}, {columns.classes[j].label} %"
            shown[name] = gr.update(value=table[i][j], label=label, visible=True)
        else:
            shown[name] = gr.update(visible=False)
    return shown


def dependent_pair(target: TargetDistribution) -> str:
    """The two attributes that depend on each other; empty when all are independent.

    Raises InputError when more than two do: the page has no table for them.
    """
    tied = [part.names for part in target.independent_parts() if len(part.names) > 1]
    if not tied:
        return ""
    if len(tied) == 1 and len(tied[0]) == 2:
        return next(pair for _, pair in joint_table.pair_choices([n for n in load_attributes() if n in tied[0]]))
    raise InputError("These settings tie three attributes together, and this page has tables of two: "
                     "use them with python -m fairness_core train --config.")


def exact_table(pair: str, target: TargetDistribution) -> joint_table.Table:
    """The share of each combination in percent."""
    return [percents(row) for row in target.part([a.name for a in joint_table.axes(pair)]).joint]


def percents(ratios: np.ndarray) -> list[float]:
    return [int(p) if p == int(p) else float(p) for p in np.round(WHOLE * np.asarray(ratios, float), DECIMALS)]


def prompt_values(config: FinetuneConfig) -> dict[str, Any]:
    """Concepts ticked, everything else as free text."""
    chosen = {f"{name}:concepts": [c for c in group.train if prompt_for(c) in config.prompts]
              for name, group in settings.concept_groups().items()}
    ticked = {prompt_for(c) for concepts in chosen.values() for c in concepts}
    typed = "\n".join(p for p in config.prompts if p not in ticked)
    return chosen | {"free_text": typed, "concepts": gr.update(label=settings.concepts_label(chosen))}
