"""Pictures made elsewhere -> what is handed on: a table, CSV of every picture, JSON, a self-contained HTML report."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import plotly.graph_objects as go

from fairness_core.about import About
from fairness_core.annotate import annotate_set, contact_sheet
from fairness_core.metrics import MeanOverPrompts, Verdict, joint_labels, summarise, verdict
from fairness_core.metrics.audit import audit
from fairness_core.pictures.judged import Judged, JudgedPrompt, sentence_of, unsure_of, warning_of
from fairness_core.pictures.limits import PicturesError
from fairness_core.plots import SURE
from fairness_core.plots.judged import joint_shares, judged_bars, share_plot
from fairness_core.report.html import TEMPLATES, data_address, html_figures
from fairness_core.report.record import side_record
from fairness_core.report.settings import rows_of
from fairness_core.report.table import figure_text, mean_similarity, to_csv, with_interval
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import TargetDistribution, load_attributes

COLUMNS = ("attribute", "controlled", "prompts", "pictures", "faces", "unsure", "no_face", "bias", "bias_low", "bias_high",
           "bias_floor", "distance", "distance_low", "distance_high", "distance_floor", "clip_text")
READING = (
    "The classes are what a classifier perceives in a face. They say nothing about how anyone identifies, and the classifier "
    "errs. Bias is the mean difference between the frequencies of two classes, distance is half the L1 distance to the "
    "target; both are means over prompts with a 95 % bootstrap interval in brackets. The floor is what a model that meets "
    "the target exactly scores on average with as many faces. Pictures without a face are left out of bias and distance.")
PICTURED_PROMPTS, PICTURED, SHEET_COLUMNS = 8, 8, 4


def judged_table(judged: Judged, target: TargetDistribution) -> list[dict]:
    """One row an attribute, with the keys COLUMNS: the target's, their joint classes, then what else was perceived (against
    parity, without distance). Raises PicturesError for a target that the classifier cannot tell anything of.
    """
    check_target(judged, target)
    ratios = {name: target.marginal(name) for name in target.names}
    if len(target.names) > 1:
        ratios[target.names] = target.joint
    ratios |= {name: None for name in judged.attributes if name not in target.names}
    return [table_row(judged, names, ratio) for names, ratio in ratios.items()]


def check_target(judged: Judged, target: TargetDistribution) -> None:
    if unknown := [name for name in target.names if name not in judged.attributes]:
        raise PicturesError(f"The classifier that judged perceives {', '.join(judged.attributes)}, not {unknown[0]}: judge by "
                            "a target of what it perceives, or choose another classifier.")


def table_row(judged: Judged, names: str | tuple[str, ...], ratios: np.ndarray | None) -> dict:
    row = dict.fromkeys(COLUMNS) | {
        "attribute": names if isinstance(names, str) else " x ".join(names), "controlled": ratios is not None,
        "prompts": len(judged.prompts), "pictures": judged.pictures, "faces": judged.faces_found,
        "no_face": judged.without_face, "clip_text": mean_similarity([one.clip_text for one in judged.prompts])}
    if isinstance(names, str):
        row["unsure"] = unsure_of(judged.image_sets, names, SURE)
    if judged.faces_found:
        summary = summarise(judged.image_sets, names, ratios)
        for name, mean in (("bias", summary.bias), ("distance", summary.distance)):
            row |= mean_entries(name, mean) if mean else {}
    return row


def mean_entries(name: str, mean: MeanOverPrompts) -> dict:
    return {name: mean.mean, f"{name}_low": mean.low, f"{name}_high": mean.high, f"{name}_floor": mean.floor}


def judged_verdicts(judged: Judged, target: TargetDistribution) -> dict[str, Verdict]:
    """One verdict for each attribute of the target; none without a face."""
    found = [s for s in judged.image_sets if s.found.any()]
    return {name: verdict(summarise(found, name, target.marginal(name)).counts, target.marginal(name))
            for name in target.names} if found else {}


def judged_record(judged: Judged, target: TargetDistribution, tolerance: float = 0.1) -> dict:
    """JSON-ready: who judged, what was left out, the table, every prompt with its shares, the verdicts and the audit."""
    return {
        "judge": {"name": judged.judge.name, "label": judged.judge.label}, "warning": warning_of(judged),
        "told": sentence_of(judged), "faces_counted": judged.faces, "pictures": judged.pictures, "asked": judged.asked, "left": judged.left,
        "faces": judged.faces_found, "without_face": judged.without_face, "several_faces": judged.several,
        "prompts_from": judged.prompts_from, "skipped": [asdict(one) for one in judged.skipped],
        "table": judged_table(judged, target),
        "prompts": [prompt_record(one) for one in judged.prompts],
        "verdicts": {name: asdict(told) for name, told in judged_verdicts(judged, target).items()},
        "audit": audit(judged.image_sets, target, tolerance).to_plain()}


def prompt_record(one: JudgedPrompt) -> dict:
    unsure = {name: unsure_of([one.images], name, SURE) for name in one.images.probabilities}
    return {"prompt": one.prompt, "pictures": one.pictures, "several_faces": one.several, "unsure": unsure,
            "clip_text": mean_similarity([one.clip_text]), **side_record(one.images)}


def pictures_csv(judged: Judged) -> str:
    """One line a face that counts, or a picture without: file, prompt, and what is perceived with which probability."""
    text = io.StringIO()
    known = load_attributes()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "prompt", "number", "face", *(c for name in judged.attributes for c in (name, f"{name}_probability"))])
    for one in judged.prompts:
        for i, (number, file) in enumerate(zip(one.images.numbers, one.files, strict=True)):
            found = bool(one.images.found[i])
            seen = [cell for name in judged.attributes for cell in perceived(known[name].class_names, one.images, name, i)] \
                if found else [""] * 2 * len(judged.attributes)
            writer.writerow([as_text(file), as_text(one.prompt), number, "yes" if found else "no", *seen])
    return text.getvalue()


def perceived(names: Sequence[str], images: ImageSet, attribute: str, i: int) -> tuple[str, str]:
    p = images.probabilities[attribute][i]
    return names[int(p.argmax())], f"{p.max():.3f}"


def as_text(value: str) -> str:
    """What a spreadsheet would take for a formula, as text: names of files come from strangers."""
    return f"'{value}" if value[:1] in "=+-@\t\r" else value


def printed(table: Sequence[dict]) -> tuple[list[str], list[list[str]]]:
    """The table for people: header and rows of text, every figure with its interval and floor."""
    header = ["Perceived", "Prompts", "Faces / pictures", "Unsure", "No face", "Bias", "Bias floor", "Distance",
              "Distance floor", "CLIP-T"]
    return header, [[
        row["attribute"] + ("" if row["controlled"] else " (not in the target)"), str(row["prompts"]),
        f"{row['faces']} / {row['pictures']}", "–" if row["unsure"] is None else str(row["unsure"]), str(row["no_face"]),
        with_interval(row, "bias"), figure_text(row["bias_floor"]), with_interval(row, "distance"),
        figure_text(row["distance_floor"]), figure_text(row["clip_text"])] for row in table]


def judged_html(judged: Judged, target: TargetDistribution, about: About) -> str:
    """A report in one file that needs no network. Its words are templates/judged.html."""
    facts = [about.date, about.machine, sentence_of(judged)]
    return TEMPLATES.get_template("judged.html").render(
        title=about.title, facts=" · ".join(fact for fact in facts if fact), judge=judged.judge.label,
        warning=warning_of(judged), target=rows_of(target), measures=printed(judged_table(judged, target)), reading=READING,
        verdicts=judged_verdicts(judged, target), figures=html_figures(figures_of(judged, target)),
        prompts=[pictured(one, judged.attributes) for one in judged.prompts[:PICTURED_PROMPTS]],
        skipped=[(one.name, one.why) for one in judged.skipped])


def report_texts(judged: Judged, target: TargetDistribution, about: About) -> dict[str, str]:
    """The files of a report, by name. Raises PicturesError as `judged_table` does."""
    return {"audit.html": judged_html(judged, target, about), "audit.csv": to_csv(judged_table(judged, target)),
            "pictures.csv": pictures_csv(judged)}


def figures_of(judged: Judged, target: TargetDistribution) -> list[go.Figure]:
    figures = []
    for attribute in target.attributes:
        marginal = target.marginal(attribute.name)
        figures.append(judged_bars(judged.image_sets, attribute, marginal))
        for i, name in enumerate(attribute.class_names[:1] if len(marginal) == 2 else attribute.class_names):
            figures.append(share_plot(judged.image_sets, attribute, name, float(marginal[i])))
    if len(target.attributes) == 2:
        figures.append(joint_shares(target.joint, joint_counts(judged, target.names), *target.attributes))
    return figures


def joint_counts(judged: Judged, names: Sequence[str]) -> np.ndarray | None:
    """Faces of every combination of two attributes' classes, int [classes, classes]; None where the classifier does not
    perceive both."""
    if not set(names) <= set(judged.attributes):
        return None
    classes = [len(load_attributes()[name].classes) for name in names]
    labels = joint_labels([np.concatenate([s.labels(name) for s in judged.image_sets]) for name in names], classes)
    return np.bincount(labels, minlength=int(np.prod(classes))).reshape(classes)


def pictured(one: JudgedPrompt, attributes: Sequence[str]) -> dict:
    """The first annotated pictures of a prompt, as an address that holds the data."""
    sheet = contact_sheet(annotate_set(one.images, attributes, size=160)[:PICTURED], SHEET_COLUMNS)
    return {"text": one.prompt, "source": data_address(sheet), "pictures": one.pictures}
