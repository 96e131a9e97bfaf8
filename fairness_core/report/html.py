"""A run as one HTML file that needs no network."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from fairness_core import plots
from fairness_core.about import About
from fairness_core.annotate import annotate_set, contact_sheet
from fairness_core.events import StepDone
from fairness_core.metrics import joint_labels
from fairness_core.report.record import verdicts
from fairness_core.report.settings import settings_rows, target_rows
from fairness_core.report.table import READING, metrics_table, printed, sweep_table
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import Attribute, TargetDistribution
from fairness_core.settings.config import FinetuneConfig

PICTURED_PROMPTS, PICTURED_IMAGES, PICTURE_COLUMNS = 6, 8, 4


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
            about: About, sweep: Mapping[float, Sequence[PromptComparison]] | None = None) -> str:
    """A report in one file that needs no network: settings, table, figures, and pictures of the first prompts.

    sweep: comparisons by guidance scale, drawn when there are several.
    """
    target = config.target()
    recorded = "<p class='note'><b>Recorded run.</b> It was made beforehand, not on the reader's machine.</p>"
    facts = [about.date, about.machine, f"{about.seconds:.0f} s" if about.seconds else "", about.model, about.note]
    measures = html_table(*printed(metrics_table(comparisons, target, config.own_targets()))) if comparisons else (
        "<p>Nothing was compared yet.</p>")
    figures = report_figures(steps, comparisons, config) + sweep_figures(sweep or {}, config)
    parts = [
        f"<h1>{escape(about.title)}</h1>", recorded if about.recorded else "",
        f"<p class='small'>{escape(' · '.join(f for f in facts if f))}</p>",
        "<h2>Target</h2>", html_table(["Perceived", "Class", "Target"], target_rows(config)),
        "<h2>Measures</h2>", measures, f"<p class='small'>{escape(READING)}</p>", html_verdicts(comparisons, config),
        "<h2>Figures</h2>", html_figures(figures),
        "<h2>Pictures</h2>" if comparisons else "", *[pictures(c) for c in comparisons[:PICTURED_PROMPTS]],
        "<h2>Settings</h2>", html_table(["Setting", "Value"], settings_rows(config)),
    ]
    return ("<!doctype html><html lang='en'><head><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width'>"
            f"<title>{escape(about.title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>")


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(c)}</{tag}>" for c in cells) + "</tr>"
    return f"<div class='wide'><table>{line(header, 'th')}{''.join(line(row, 'td') for row in rows)}</table></div>"


def report_figures(steps: Sequence[StepDone], comparisons: Sequence[PromptComparison],
                   config: FinetuneConfig) -> list[go.Figure]:
    """Training curves, then each controlled attribute's frequencies; pooled prompts stand beside their mean target."""
    figures = [plots.training_curves(steps), plots.distance_curves(steps)] if steps else []
    if not comparisons:
        return figures
    targets = {c.prompt: config.target(c.prompt) for c in comparisons}
    target = TargetDistribution(config.target().attributes, np.mean([t.joint for t in targets.values()], axis=0))
    for attribute in target.attributes:
        marginal = target.marginal(attribute.name)
        figures.append(plots.outcome_bars(comparisons, attribute, marginal))
        shown = attribute.class_names[:1] if len(marginal) == 2 else attribute.class_names  # of two, one tells all
        for i, name in enumerate(shown):
            each = {prompt: float(t.marginal(attribute.name)[i]) for prompt, t in targets.items()}
            ratio = each if config.targets_by_prompt else float(marginal[i])
            figures.append(plots.distribution_plot(comparisons, attribute, name, ratio))
    if len(target.attributes) == 2:
        sides = ([getattr(c, side) for c in comparisons] for side in ("original", "tuned"))
        (before, n_before), (after, n_after) = (joint_frequencies(sets, target.attributes) for sets in sides)
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


def html_verdicts(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> str:
    """What the tuned pictures say about each controlled attribute, in words."""
    lines = [f"<li><b>{escape(name)}</b>: {escape(told.sentence)}</li>"
             for name, told in verdicts(comparisons, config).items()]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def sweep_figures(sweep: Mapping[float, Sequence[PromptComparison]], config: FinetuneConfig) -> list[go.Figure]:
    if len(sweep) < 2:
        return []
    rows = [row for row in sweep_table(sweep, config.target(), config.own_targets()) if row["group"] == "all"]
    attributes = dict.fromkeys(row["attribute"] for row in rows if row["controlled"])
    return [plots.guidance_bias(rows, name) for name in attributes] + [plots.guidance_similarities(rows)]


def html_figures(figures: Sequence[go.Figure]) -> str:
    """The figures, with plotly's script once, in the page itself."""
    parts = [figure.to_html(full_html=False, include_plotlyjs=i == 0, config={"displaylogo": False, "responsive": True})
             for i, figure in enumerate(figures)]
    if not parts:
        return "<p>None yet.</p>"
    return f"<div class='figures'>{''.join(f'<div>{part}</div>' for part in parts)}</div>"


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
