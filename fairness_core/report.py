"""A run -> what is handed on: a table of measures, CSV, a self-contained HTML report, a model card."""

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
import yaml
from PIL import Image

from fairness_core import plots
from fairness_core.annotate import annotate_set, contact_sheet
from fairness_core.attributes import ASSETS, Attribute, TargetDistribution
from fairness_core.config import FinetuneConfig, to_plain
from fairness_core.events import StepDone
from fairness_core.metrics import AttributeSummary, joint_labels, summarise
from fairness_core.results import ImageSet, PromptComparison

PICTURED_PROMPTS, PICTURED_IMAGES, PICTURE_COLUMNS = 6, 8, 4
COLUMNS = (
    "attribute", "controlled", "group", "prompts", "images", "faces_before", "faces_after",
    "bias_before", "bias_before_low", "bias_before_high", "bias_after", "bias_after_low", "bias_after_high", "bias_floor",
    "distance_before", "distance_before_low", "distance_before_high",
    "distance_after", "distance_after_low", "distance_after_high", "distance_floor",
    "clip_text_before", "clip_text_after", "clip_image", "dino")
READING = (
    "The classes are what a classifier perceives in a face. They say nothing about how anyone identifies, and the "
    "classifier errs. Bias is the mean difference between the frequencies of two classes, distance is half the L1 "
    "distance to the target; both are means over prompts with a 95 % bootstrap interval in brackets. The floor is what "
    "a model that meets the target exactly scores on average with as many images: a figure near it cannot be told from a "
    "perfect one. Images without a face are left out of bias and distance.")


@dataclass(frozen=True)
class About:
    """What is told about a run. recorded: made beforehand; date: ISO 8601; seconds: of training."""

    title: str
    recorded: bool = False
    machine: str = ""
    date: str = ""
    seconds: float = 0.0
    note: str = ""
    model: str = "mini"


# ---------------------------------------------------------------- table

def metrics_table(comparisons: Sequence[PromptComparison], target: TargetDistribution) -> list[dict]:
    """One row an attribute and group of prompts, with the keys COLUMNS.

    Attributes: the controlled ones, their joint classes when there are several, then those that were perceived but
    not controlled (against parity, without distance). Groups: all prompts, and trained on / not trained on where both
    exist. What cannot be measured (no face in the group) is None. No comparisons: no rows.
    """
    measured = {name: target.marginal(name) for name in target.names}
    if len(target.names) > 1:
        measured[target.names] = target.joint
    perceived = comparisons[0].original.probabilities if comparisons else {}
    measured |= {name: None for name in perceived if name not in target.names}
    return [table_row(group, members, names, ratios)
            for names, ratios in measured.items() for group, members in prompt_groups(comparisons).items()]


def prompt_groups(comparisons: Sequence[PromptComparison]) -> dict[str, list[PromptComparison]]:
    held_out = [c for c in comparisons if c.held_out]
    trained = [c for c in comparisons if not c.held_out]
    if not comparisons:
        return {}
    return {"all": list(comparisons)} | ({"trained on": trained, "not trained on": held_out} if held_out and trained else {})


def table_row(group: str, comparisons: list[PromptComparison], names: str | tuple[str, ...],
              ratios: np.ndarray | None) -> dict:
    row = dict.fromkeys(COLUMNS) | {
        "attribute": names if isinstance(names, str) else " x ".join(names), "controlled": ratios is not None,
        "group": group, "prompts": len(comparisons), "images": sum(len(c.original.found) for c in comparisons)}
    for side, when in (("original", "before"), ("tuned", "after")):
        sets = [getattr(c, side) for c in comparisons]
        row[f"faces_{when}"] = sum(int(s.found.sum()) for s in sets)
        if row[f"faces_{when}"]:
            row |= measures(summarise(sets, names, ratios), when)
    similarities = {"clip_text_before": "clip_text_original", "clip_text_after": "clip_text_tuned",
                    "clip_image": "clip_image", "dino": "dino"}
    return row | {key: mean_over_prompts([getattr(c, field) for c in comparisons]) for key, field in similarities.items()}


def measures(summary: AttributeSummary, when: str) -> dict:
    """The entries of one side; the floors end as those of the side measured last, "after"."""
    entries = {}
    for name, value in (("bias", summary.bias), ("distance", summary.distance)):
        if value is not None:
            entries |= {f"{name}_{when}": value.mean, f"{name}_{when}_low": value.low,
                        f"{name}_{when}_high": value.high, f"{name}_floor": value.floor}
    return entries


def mean_over_prompts(values: Sequence[np.ndarray]) -> float | None:
    """Mean over prompts of each prompt's mean over images; None where nothing finite was measured."""
    means = [float(v[np.isfinite(v)].mean()) for v in map(np.asarray, values) if np.isfinite(v).any()]
    return float(np.mean(means)) if means else None


def to_csv(table: Sequence[dict]) -> str:
    """The table as CSV with a header; what was not measured is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def printed(table: Sequence[dict]) -> tuple[list[str], list[list[str]]]:
    """The table for people: header and rows of text, every figure with its interval and floor."""
    header = ["Perceived", "Prompts", "Faces / images", "Bias before", "Bias after", "Bias floor", "Distance before",
              "Distance after", "Distance floor", "CLIP-T before", "CLIP-T after", "CLIP-I", "DINO"]
    return header, [[
        row["attribute"] + ("" if row["controlled"] else " (not controlled)"), f"{row['group']} ({row['prompts']})",
        f"{row['faces_before']} → {row['faces_after']} / {row['images']}",
        with_interval(row, "bias_before"), with_interval(row, "bias_after"), figure_text(row["bias_floor"]),
        with_interval(row, "distance_before"), with_interval(row, "distance_after"), figure_text(row["distance_floor"]),
        *(figure_text(row[key]) for key in ("clip_text_before", "clip_text_after", "clip_image", "dino")),
    ] for row in table]


def figure_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def with_interval(row: dict, key: str) -> str:
    return "–" if row[key] is None else f"{row[key]:.2f} [{row[key + '_low']:.2f}, {row[key + '_high']:.2f}]"


# ---------------------------------------------------------------- HTML

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
h1 { line-height: 1.2 } h2 { margin-top: 2.5rem }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #8886; text-align: left; white-space: nowrap }
.wide { overflow-x: auto } .note { border-left: 4px solid #e08435; padding: .4rem 1rem; background: #e084351a }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 430px), 1fr)); gap: 1rem }
img { max-width: 100%; height: auto } .small { font-size: .9rem; opacity: .8 }
"""


def to_html(config: FinetuneConfig, steps: Sequence[StepDone], comparisons: Sequence[PromptComparison],
            about: About) -> str:
    """A report in one file that needs no network: settings, table, figures, and pictures of the first prompts."""
    target = config.target()
    recorded = "<p class='note'><b>Recorded run.</b> It was made beforehand, not on the reader's machine.</p>"
    facts = [about.date, about.machine, f"{about.seconds:.0f} s" if about.seconds else "", about.model, about.note]
    parts = [
        f"<h1>{escape(about.title)}</h1>", recorded if about.recorded else "",
        f"<p class='small'>{escape(' · '.join(f for f in facts if f))}</p>",
        "<h2>Target</h2>", html_table(["Perceived", "Class", "Target"], target_rows(target)),
        "<h2>Measures</h2>", html_table(*printed(metrics_table(comparisons, target))) if comparisons
        else "<p>Nothing was compared yet.</p>", f"<p class='small'>{escape(READING)}</p>",
        "<h2>Figures</h2>", html_figures(report_figures(steps, comparisons, target)),
        "<h2>Pictures</h2>" if comparisons else "", *[pictures(c) for c in comparisons[:PICTURED_PROMPTS]],
        "<h2>Settings</h2>", html_table(["Setting", "Value"], settings_rows(config)),
    ]
    return ("<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
            f"<title>{escape(about.title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>")


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"
    return f"<div class='wide'><table>{line(header, 'th')}{''.join(line(row, 'td') for row in rows)}</table></div>"


def report_figures(steps: Sequence[StepDone], comparisons: Sequence[PromptComparison],
                   target: TargetDistribution) -> list[go.Figure]:
    figures = [plots.training_curves(steps), plots.distance_curves(steps)] if steps else []
    if not comparisons:
        return figures
    for attribute in target.attributes:
        marginal = target.marginal(attribute.name)
        figures.append(plots.class_bars(comparisons, attribute, marginal))
        shown = attribute.class_names[:1] if len(marginal) == 2 else attribute.class_names  # of two, one tells all
        figures += [plots.distribution_plot(comparisons, attribute, name, float(marginal[i])) for i, name in enumerate(shown)]
    if len(target.attributes) == 2:
        (before, n_before), (after, n_after) = (
            joint_frequencies([getattr(c, side) for c in comparisons], target.attributes) for side in ("original", "tuned"))
        figures.append(plots.joint_heatmap(target.joint, before, after, *target.attributes, n_before, n_after))
    return figures


def joint_frequencies(image_sets: Sequence[ImageSet], attributes: Sequence[Attribute]) -> tuple[np.ndarray, int]:
    """Frequencies of the joint classes over all images with a face, one axis an attribute, and how many faces.

    All nan when there is no face.
    """
    classes = [len(a.classes) for a in attributes]
    labels = joint_labels([np.concatenate([s.labels(a.name) for s in image_sets]) for a in attributes], classes)
    counts = np.bincount(labels, minlength=int(np.prod(classes))).reshape(classes)
    return (counts / len(labels) if len(labels) else np.full(classes, np.nan)), len(labels)


def html_figures(figures: Sequence[go.Figure]) -> str:
    """The figures, with plotly's script once, in the page itself."""
    parts = [figure.to_html(full_html=False, include_plotlyjs=i == 0, config={"displaylogo": False, "responsive": True})
             for i, figure in enumerate(figures)]
    return f"<div class='figures'>{''.join(f'<div>{part}</div>' for part in parts)}</div>" if parts else "<p>None yet.</p>"


def pictures(comparison: PromptComparison) -> str:
    """The first annotated images of a prompt, before and after, as data in the page."""
    shown = list(comparison.original.probabilities)
    sides = []
    for name, images in (("Before", comparison.original), ("After", comparison.tuned)):
        sheet = contact_sheet(annotate_set(images, shown, size=160)[:PICTURED_IMAGES], PICTURE_COLUMNS)
        data = io.BytesIO()
        Image.fromarray(sheet).save(data, format="WEBP", quality=85)
        text = base64.b64encode(data.getvalue()).decode()
        sides.append(f"<p class='small'>{name}</p><img alt='{name}: {escape(comparison.prompt, quote=True)}' "
                     f"src='data:image/webp;base64,{text}'>")
    held_out = " ★ not trained on" if comparison.held_out else ""
    return f"<details open><summary>“{escape(comparison.prompt)}”{held_out}</summary>{''.join(sides)}</details>"


# ---------------------------------------------------------------- model card

def target_rows(target: TargetDistribution) -> list[list[str]]:
    """Label, class and target ratio of every controlled attribute."""
    return [[a.label, c.label, f"{100 * ratio:.3g} %"]
            for a in target.attributes for c, ratio in zip(a.classes, target.marginal(a.name), strict=True)]


def settings_rows(config: FinetuneConfig) -> list[list[str]]:
    """Every setting in words, but the target, which has its own table."""
    plain = to_plain(config)
    weights = {f"loss: {name}": value for name, value in plain.pop("losses").items()}
    plain["prompts"] = "; ".join(plots.concept_name(p) for p in config.prompts)
    kept = {name: value for name, value in plain.items() if name not in ("marginals", "joint", "joint_attributes")}
    return [[name.replace("_", " "), str(value)] for name, value in (kept | weights).items()]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"
    return "\n".join([line(header), line(["-"] * len(header)), *map(line, rows)])


def model_source(name: str) -> str:
    """Where from_pretrained finds a model of the registry; any other name is a repository or folder already."""
    registry = yaml.safe_load((ASSETS / "models.yaml").read_text())
    return f"assets/{registry[name]['folder']}" if name in registry else name


def model_card(config: FinetuneConfig, table: Sequence[dict], about: About) -> str:
    """The README of an adapter's repository, in Markdown with front matter."""
    matter = {"library_name": "diffusers", "pipeline_tag": "text-to-image",
              "tags": ["text-to-image", "lora", "diffusers", "fairness"], "base_model": about.model}
    source = model_source(about.model)
    if source != about.model:
        del matter["base_model"]  # the registry's names mean nothing on a hub
    prompt = config.prompts[0] if config.prompts else "a photo of the face of a nurse, a person"
    machine = f" on {about.machine}" if about.machine else ""
    origin = f"The figures were recorded beforehand{machine}. " if about.recorded else ""
    return CARD.format(
        matter=yaml.safe_dump(matter, sort_keys=False).strip(), title=about.title, model=about.model, source=source,
        note=about.note, target=markdown_table(["Attribute", "Class", "Target"], target_rows(config.target())),
        prompt=repr(prompt), steps=config.sampling_steps, guidance=config.guidance_scale, origin=origin, reading=READING,
        measures=markdown_table(*printed(table)) if table else "Nothing was compared yet.",
        settings=markdown_table(["Setting", "Value"], settings_rows(config)))


CARD = """---
{matter}
---
# {title}

A LoRA adapter for the text encoder of `{model}`. It was finetuned so that the attributes *perceived* in generated
faces follow the target below, while the rest of the picture stays as it was. {note}

{target}

## Use

```python
from diffusers import StableDiffusionPipeline

pipeline = StableDiffusionPipeline.from_pretrained("{source}")
pipeline.load_lora_weights(".", weight_name="pytorch_lora_weights.safetensors", adapter_name="fairness")
pipeline.set_adapters("fairness", 1.0)  # strength: 0 is the original model
image = pipeline({prompt}, num_inference_steps={steps}, guidance_scale={guidance}).images[0]
```

## Measures

{origin}{reading}

{measures}

CLIP-T is the similarity of prompt and image; CLIP-I and DINO compare each image with the original model's image of the
same noise.

## Limits

- The attributes are perceived by a classifier, in coarse classes that cannot express how people identify; a person's
  gender, race or age cannot be read from a face.
- A target met on average over prompts may be missed on single prompts, and prompts unlike the ones trained on may
  behave as before: measure yours.
- The classifier errs, and the adapter was trained against one: measure with another before relying on a figure.
- Prompts that name a gender, race or age should be checked: they are meant to be obeyed.
- A distribution of faces is one aspect of fairness. Which target is right is for those concerned to decide.

## Settings

{settings}

Method: Shen, Du, Pang, Lin, Wong, Kankanhalli, *Finetuning Text-to-Image Diffusion Models for Fairness*, ICLR 2024,
arXiv 2311.07604.
"""
