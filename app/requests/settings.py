"""Values on the page <-> what a job is asked for. Bad input raises a UserError."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.engine import Engine
from app.jobs.files import JobError, JobRequest, JobView
from app.requests.settings_text import InputError, parsed
from app.targets.joint_table import Table, axes, grid, joint_target, pair_choices
from app.targets.sliders import LABOUR, WHOLE, marginals
from fairness_core.settings.attributes import TargetDistribution, load_attributes
from fairness_core.settings.config import MOST_FILMED, FinetuneConfig, LossWeights
from fairness_core.settings.labour_statistics import labour_targets, load_labour_statistics
from fairness_core.settings.prompts import ConceptGroup, concept_of, load_concepts, parse_prompts, prompt_for
from fairness_core.settings.ratios import TargetError

MOST_PROMPTS, MOST_IMAGES, MOST_STEPS = 200, 256, 20_000
HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # what programs make of broken text; no file can hold it
SHOWN_TO = 2e-6  # the page shows percents with four decimals
COMPARED_IMAGES, COMPARED_TRAINED, COMPARED_HELD_OUT = 16, 2, 4
MOST_TYPED = 8  # prompts of a visitor's own that are compared even where fewer are asked for
WHOLE_SETTINGS = ("steps", "images_per_prompt", "lora_rank", "sampling_steps", "seed")
REAL_SETTINGS = ("learning_rate", "guidance_scale", "training_guidance_scale")
TUNED = [("Text encoder (LoRA)", "text_encoder"), ("Denoiser (LoRA)", "unet"), ("Both (LoRA)", "both"),
         ("Soft tokens before the prompt", "tokens")]
LOSS_SETTINGS = ("semantics", "face", "confidence")
JOINT_CELLS = {f"joint:{i}:{j}": (i, j) for i, j in np.ndindex(grid())}
GROUP_LABELS = {"occupations": "Occupations", "sports": "Sports", "descriptors": "Personal descriptors"}


def concept_groups() -> dict[str, ConceptGroup]:
    return load_concepts().groups


def chosen_at_first(config: FinetuneConfig) -> dict[str, list[str]]:
    """The concepts a preset finetunes on, as "group:concepts"; the whole first group when it names none."""
    groups = concept_groups()
    chosen = {f"{name}:concepts": [c for c in group.train if prompt_for(c) in config.prompts]
              for name, group in groups.items()}
    if not any(chosen.values()):
        chosen[f"{next(iter(groups))}:concepts"] = list(groups[next(iter(groups))].train)
    return chosen


def concepts_label(values: dict[str, Any]) -> str:
    """How many concepts are chosen: "Concepts: 24 occupations, 1 sports"."""
    counts = {group: len(values[f"{group}:concepts"] or ()) for group in concept_groups()}
    return "Concepts: " + (", ".join(f"{n} {group}" for group, n in counts.items() if n) or "none chosen")


def percents_of(values: dict[str, Any]) -> dict[str, dict[str, int]]:
    """The sliders of every attribute that is switched on; more than all is all."""
    return {name: {c: min(values[f"{name}:{c}"], WHOLE) for c in attribute.class_names}
            for name, attribute in load_attributes().items() if values[f"{name}:control"]}


def chosen_pair(values: dict[str, Any]) -> str:
    """The two attributes of the table of combinations; empty where there are no such."""
    known = [pair for _, pair in pair_choices(list(load_attributes()))]
    return values["joint:pair"] if values["joint:pair"] in known else ""


def joint_cells(values: dict[str, Any]) -> Table:
    """The fields of the table of combinations that its pair of attributes has."""
    rows, columns = axes(values["joint:pair"])
    return [[values[f"joint:{i}:{j}"] for j in range(len(columns.classes))] for i in range(len(rows.classes))]


def chosen_target(values: dict[str, Any]) -> dict[str, Any]:
    """The sliders, or the table of combinations when it is on, as a FinetuneConfig takes them. Raises TargetError."""
    percents = percents_of(values)
    ratios = marginals(percents)
    if not values["joint:on"] or len(percents) < 2:
        return {"marginals": ratios, "joint": None, "joint_attributes": ()}
    if not set((values["joint:pair"] or "").split(" x ")) <= set(percents):
        raise TargetError("The table of combinations is about an attribute that is not controlled: choose its pair.")
    names, joint = joint_target(values["joint:pair"], joint_cells(values), percents)
    return {"marginals": {}, "joint": joint, "joint_attributes": names}


def kept_or_chosen_target(values: dict[str, Any], base: FinetuneConfig, prompts: Sequence[str],
                          compared: Sequence[str]) -> dict[str, Any]:
    """The base's own target, exact and with its exceptions by prompt, where the page shows just that.

    prompts are finetuned on, and need statistics where these are the target; compared ones are judged by theirs if known.
    """
    chosen = chosen_target(values)
    if values["target_preset"] == LABOUR:
        statistics = load_labour_statistics()
        known = [p for p in compared if concept_of(p) in statistics]
        return chosen | {"targets_by_prompt": labour_targets((*prompts, *known), statistics)}
    own = {name: getattr(base, name) for name in (*chosen, "targets_by_prompt")}
    shown = FinetuneConfig(**chosen).target()
    try:
        same = same_target(base.target(), shown)
    except TargetError:  # a base that leaves the target to the visitor
        same = False
    return own if same else chosen | {"targets_by_prompt": {}}


def same_target(first: TargetDistribution, second: TargetDistribution) -> bool:
    """Whether two targets are one, whatever the order of their attributes, as far as the page can show."""
    if set(first.names) != set(second.names):
        return False
    order = [second.names.index(name) for name in first.names]
    return np.allclose(first.joint, second.joint.transpose(order), atol=SHOWN_TO)


def advanced_values(config: FinetuneConfig) -> dict[str, Any]:
    """A preset's settings, by their names in Advanced."""
    return ({name: getattr(config, name) for name in ("tune", *WHOLE_SETTINGS, *REAL_SETTINGS)}
            | {name: getattr(config.losses, name) for name in LOSS_SETTINGS})


def checked_prompts(prompts: Sequence[str]) -> tuple[str, ...]:
    """Prompts stripped and without repeats. Raises InputError for none, or too many."""
    prompts = tuple(dict.fromkeys(" ".join(str(p).split()) for p in prompts if str(p).strip()))
    if not prompts:
        raise InputError("No concept is chosen and no prompt is typed: choose at least one.")
    if len(prompts) > MOST_PROMPTS:
        raise InputError(f"{len(prompts)} prompts are too many: use at most {MOST_PROMPTS}.")
    for prompt in prompts:
        if HALF_CHARACTER.search(prompt):
            raise InputError(f"The prompt {prompt[:40]!r} holds half a character: type it again.")
    return prompts


def as_prompt(text: str) -> str:
    """A built-in concept as its prompt; anything else as it stands."""
    text = str(text).strip()
    concepts = load_concepts()
    return prompt_for(text) if text in concepts.train + concepts.held_out else text


def usable_model(name: str, engine: Engine) -> str:
    """The name, when the model can be used here. Raises InputError or ModelError that says why not."""
    entries = {entry.name: entry for entry in engine.available_models()}
    if name not in entries and engine.find_model is None:
        raise InputError(f"Unknown model {name!r}: choose among {', '.join(entries)}.")
    try:
        entry = entries.get(name) or engine.find_model(str(name or "").strip())
    except (OSError, RuntimeError) as error:  # no folder can have this name, or it is in the home of nobody here
        raise InputError(f"Unknown model {name!r}: choose among {', '.join(entries)}.") from error
    if entry.unavailable:
        raise InputError(f"{entry.label} cannot be used here: {entry.unavailable}")
    return entry.name


def number(values: dict[str, Any], name: str, low: float, high: float) -> float:
    """A number typed on the page. Raises InputError when it is missing or out of range."""
    value = values[name]
    if value is None or not low <= float(value) <= high:
        label = name.replace("_", " ").capitalize()
        raise InputError(f"“{label}” is {'empty' if value is None else value}: choose a number from {low:g} to {high:g}.")
    return float(value)


def finetune_request(values: dict[str, Any], preset: FinetuneConfig) -> JobRequest:
    """What Start asks for: the preset, or the loaded settings, with everything on the page put in.

    Advanced still holds another preset's settings when Start follows a choice of length at once: they do not count.
    """
    if values["filled_for"] != (values["length"] or ""):
        values = values | advanced_values(preset) | {"loaded": ""}
    base = parsed(values["loaded"]) if values["loaded"] else preset
    chosen = [concept for group in concept_groups() for concept in values[f"{group}:concepts"]]
    prompts = checked_prompts([*(prompt_for(c) for c in chosen), *parse_prompts(values["free_text"] or "")])
    if set(prompts) == set(base.prompts):
        prompts = base.prompts  # their order is part of a run
    limits = {"steps": (1, MOST_STEPS), "images_per_prompt": (2, MOST_IMAGES), "lora_rank": (1, 256),
              "sampling_steps": (1, 200), "seed": (0, 2**31 - 1), "learning_rate": (1e-7, 1), "guidance_scale": (1, 30),
              "training_guidance_scale": (0, 30)}
    plain = {name: number(values, name, *limits[name]) for name in (*WHOLE_SETTINGS, *REAL_SETTINGS)}
    plain |= {name: int(plain[name]) for name in WHOLE_SETTINGS}
    losses = LossWeights(semantics=number(values, "semantics", 0, 100), face=number(values, "face", 0, 100),
                         confidence=number(values, "confidence", 0, 1))
    timesteps = min(base.timesteps_per_update, plain["sampling_steps"])
    compared = compare_prompts(prompts, int(number(values, "compare_trained", 0, MOST_PROMPTS)),
                               int(number(values, "compare_held_out", 0, MOST_PROMPTS)))
    config = replace(base, model=values["model"], prompts=prompts, losses=losses, timesteps_per_update=timesteps,
                     tune=values["tune"], film_prompts=filmed(prompts, chosen),
                     **kept_or_chosen_target(values, base, prompts, compared), **plain)
    return JobRequest("finetune", config, compared, images=int(number(values, "compare_images", 2, MOST_IMAGES)),
                      seed=config.seed)


def filmed(prompts: Sequence[str], concepts: Sequence[str]) -> tuple[str, ...]:
    """Typed prompts are watched first; none where that is what is watched anyway: the first prompts."""
    typed = [p for p in prompts if p not in set(map(prompt_for, concepts))]
    watched = tuple(dict.fromkeys((*typed, *prompts)))[:MOST_FILMED]
    return () if watched == tuple(prompts[:MOST_FILMED]) else watched


def adapter_request(values: dict[str, Any], preset: FinetuneConfig, name: str) -> JobRequest:
    """The comparison of someone's adapter, for the model and on the prompts of step 1; it has no target."""
    chosen = [concept for group in concept_groups() for concept in values[f"{group}:concepts"]]
    prompts = checked_prompts([*(prompt_for(c) for c in chosen), *parse_prompts(values["free_text"] or "")])
    config = replace(preset, model=values["model"], prompts=(), marginals={}, joint=None, joint_attributes=())
    return JobRequest("adapter", config, compare_prompts(prompts, COMPARED_TRAINED, COMPARED_HELD_OUT),
                      images=COMPARED_IMAGES, seed=config.seed, name=name[:60])


def compare_prompts(prompts: Sequence[str], trained: int, held_out: int) -> tuple[str, ...]:
    """Of the prompts trained on the typed ones, then concepts, `trained` in all; then `held_out` concepts that were not.

    Typed ones are taken, up to MOST_TYPED of them, even where `trained` is fewer. Raises InputError for nothing at all.
    """
    own = typed(prompts)
    asked = [*own, *(p for p in prompts if p not in own)]
    compared = (*asked[:max(trained, min(len(own), MOST_TYPED))], *unseen(prompts)[:held_out])
    if not compared:
        raise InputError("Nothing would be compared: choose at least one prompt to compare in Advanced.")
    return compared


def typed(prompts: Sequence[str]) -> list[str]:
    """Those in words of one's own: no concept of the page asks for them."""
    listed = {prompt_for(concept) for group in concept_groups().values() for concept in group.all}
    return [p for p in prompts if p not in listed]


def unseen(prompts: Sequence[str]) -> list[str]:
    """The held-out concepts as prompts, groups in turn, without those trained on."""
    groups = [group.held_out for group in concept_groups().values()]
    turns = [group[i] for i in range(max(map(len, groups))) for group in groups if i < len(group)]
    return [p for p in map(prompt_for, turns) if p not in prompts]


def left_out(shown: JobView) -> list[str]:
    """What was finetuned on, or is held out, and is not among the pictures on show: the former first."""
    compared = {c.prompt for c in shown.comparisons}
    return [p for p in dict.fromkeys((*shown.request.config.prompts, *unseen(shown.request.config.prompts)))
            if p not in compared]


def again(shown: JobView | None, **changes: Any) -> JobRequest:
    """The comparison on show asked for once more, changed; at its own strength alone. Raises JobError when nothing is
    shown."""
    if shown is None:
        raise JobError("There is nothing to render again yet: finetune first.")
    prompts = tuple(c.prompt for c in shown.comparisons)
    changes = {"strengths": ()} | changes
    return replace(shown.request, kind="compare", compare_prompts=prompts, source=shown.source, **changes)
