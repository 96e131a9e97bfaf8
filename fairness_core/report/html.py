"""A run as one HTML file that needs no network. Its words are templates/report.html."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from fairness_core import plots
from fairness_core.about import About
from fairness_core.annotate import annotate_set, contact_sheet, short_labels
from fairness_core.events import StepDone
from fairness_core.metrics import joint_labels
from fairness_core.report.model_names import public_name
from fairness_core.report.record import verdicts
from fairness_core.report.settings import settings_rows, target_rows
from fairness_core.report.table import READING, image_sets, metrics_table, printed, sweep_table
from fairness_core.report.text_tables import tables_in_words
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import Attribute, TargetDistribution, load_attributes
from fairness_core.settings.config import FinetuneConfig

PICTURED_PROMPTS, PICTURED_IMAGES, PICTURE_COLUMNS = 6, 8, 4
TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"), autoescape=True,
                        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def to_html(config: FinetuneConfig, steps: Sequence[StepDone], comparisons: Sequence[PromptComparison],
            about: About, sweep: Mapping[float, Sequence[PromptComparison]] | None = None) -> str:
    """A report in one file that needs no network: settings, table, figures, and pictures of the first prompts.

    sweep: comparisons by guidance scale, drawn when there are several.
    """
    table = metrics_table(comparisons, config.target(), config.own_targets())
    model = public_name(about.model)
    facts = [about.date, about.machine, f"{about.seconds:.0f} s" if about.seconds else "", model, about.note]
    return TEMPLATES.get_template("report.html").render(
        title=about.title, recorded=about.recorded, facts=" · ".join(fact for fact in facts if fact),
        target=target_rows(config), measures=printed(table) if comparisons else None, reading=READING,
        verdicts=verdicts(comparisons, config), parts=tables_in_words(comparisons, config) if comparisons else {},
        figures=html_figures(report_figures(steps, comparisons, config) + sweep_figures(sweep or {}, config)),
        kinds=[(a.label, list(zip(short_labels(a), a.classes))) for a in load_attributes().values()],
        prompts=[prompt_pictures(c) for c in comparisons[:PICTURED_PROMPTS]], settings=settings_rows(config))


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
        found = {when: joint_frequencies(sets, target.attributes) for when, sets in image_sets(comparisons).items()}
        (before, n_before), (after, n_after) = found["before"], found["after"]
        figures.append(plots.joint_heatmap(target.joint, before, after, *target.attributes, n_before, n_after,
                                           words=found.get("baseline")))
    return figures


def joint_frequencies(image_sets: Sequence[ImageSet], attributes: Sequence[Attribute]) -> tuple[np.ndarray, int]:
    """Frequencies of the joint classes over all images with a face, one axis an attribute, and how many faces.

    All nan when there is no face.
    """
    classes = [len(a.classes) for a in attributes]
    labels = joint_labels([np.concatenate([s.labels(a.name) for s in image_sets]) for a in attributes], classes)
    counts = np.bincount(labels, minlength=int(np.prod(classes))).reshape(classes)
    return (counts / len(labels) if len(labels) else np.full(classes, np.nan)), len(labels)


def sweep_figures(sweep: Mapping[float, Sequence[PromptComparison]], config: FinetuneConfig) -> list[go.Figure]:
    if len(sweep) < 2:
        return []
    rows = [row for row in sweep_table(sweep, config.target(), config.own_targets()) if row["group"] == "all"]
    controlled = {row["attribute"]: "bias" if row["at_parity"] else "distance" for row in rows if row["controlled"]}
    return [plots.guidance_bias(rows, *one) for one in controlled.items()] + [plots.guidance_similarities(rows)]


def html_figures(figures: Sequence[go.Figure]) -> list[Markup]:
    """The figures as HTML, with plotly's script once, in the first: plotly escapes what it writes."""
    return [Markup(figure.to_html(full_html=False, include_plotlyjs=i == 0,
                                  config={"displaylogo": False, "responsive": True}))
            for i, figure in enumerate(figures)]


def prompt_pictures(comparison: PromptComparison) -> dict:
    """The first annotated images of a prompt, before and after, as addresses that hold the data."""
    shown = list(comparison.original.probabilities)
    sides = {"Before": comparison.original, "After": comparison.tuned}
    if comparison.baseline:
        sides["Words in the prompt"] = comparison.baseline.images
    return {"text": comparison.prompt, "held_out": comparison.held_out, "sheets": {
        name: data_address(contact_sheet(annotate_set(images, shown, size=160)[:PICTURED_IMAGES], PICTURE_COLUMNS))
        for name, images in sides.items()}}


def data_address(picture: np.ndarray) -> str:
    """A picture uint8 [h, w, 3] as the address of an image that needs no file."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
