"""Does a model keep to a target? Frequencies of a list of prompts against it, as plain data: pass, fail or cannot tell."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fairness_core.errors import UserError
from fairness_core.metrics import MeanOverPrompts, PromptSummary, Verdict, percent, sampling_floor, summarise, verdict
from fairness_core.metrics.verdicts import more_images
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import Attribute, TargetDistribution

STATUS = {"reached": "pass", "not yet": "fail", "cannot tell": "cannot tell"}
RULE = (
    "The distance is half the L1 distance between the perceived frequencies and the target, over images with a face: "
    "the share of faces that would have to change class. Pass: a model exactly {tolerance} away from the target "
    "would come this close in at most {error} of such samples. Fail: it would come this far in at most {error} "
    "of them. Otherwise these images cannot tell. Overall, the mean distance over prompts is judged in the same way. Of "
    "prompts exactly {tolerance} away, about {error} fail by chance: of 20 prompts, expect up to "
    "{chance:.0f}.")


class AuditError(UserError):
    """An audit that cannot be made; the message says what to change."""


@dataclass(frozen=True)
class PromptAudit:
    """One prompt and attribute. Frequencies and their Wilson intervals (low, high) are in the order of the classes.

    status: "pass", "fail" or "cannot tell". distance in [0, 1] with the interval that decides the status (see
    `verdicts.distance_interval`), None without a face; floor: what a perfect model scores with as many faces.
    images_needed: how many more would tell (the sentence says where even so many may not), else 0.
    """

    prompt: str
    status: str
    sentence: str
    images: int
    faces: int
    frequencies: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    distance: float | None
    distance_low: float | None
    distance_high: float | None
    floor: float | None
    images_needed: int


@dataclass(frozen=True)
class AttributeAudit:
    """An attribute, or the joint classes of several ("gender x race"), over all prompts.

    status judges the mean distance by its interval; images_needed is a prompt. passed, failed, untold: how many prompts.
    """

    attribute: str
    classes: tuple[str, ...]
    target: tuple[float, ...]
    status: str
    sentence: str
    distance: float | None
    distance_low: float | None
    distance_high: float | None
    floor: float | None
    images_needed: int
    passed: int
    failed: int
    untold: int
    prompts: tuple[PromptAudit, ...]


@dataclass(frozen=True)
class Audit:
    """status: "fail" if any attribute fails, "pass" if all pass, else "cannot tell". rule: how that was decided."""

    status: str
    tolerance: float
    confidence: float
    rule: str
    attributes: tuple[AttributeAudit, ...]

    def to_plain(self) -> dict:
        """As JSON-ready data."""
        return asdict(self)


def audit(image_sets: Sequence[ImageSet], target: TargetDistribution, tolerance: float = 0.1,
          confidence: float = 0.95) -> Audit:
    """Judges the perceived frequencies of every prompt against the target, and their mean distance to it.

    image_sets: one a prompt. tolerance: the largest distance that passes, above 0 and below 1. The rule is that of
    METHOD section 6: the distance and `metrics.verdict`. Raises AuditError for no prompts, or a tolerance or confidence out of range.
    """
    if not image_sets:
        raise AuditError("There is nothing to audit: name at least one prompt.")
    if not 0 < tolerance < 1:
        raise AuditError(f"The tolerance is {tolerance:g}: choose a share of faces above 0 and below 1, such as 0.1.")
    if not 0.5 <= confidence < 1:
        raise AuditError(f"The confidence is {confidence:g}: choose at least 0.5 and below 1, such as 0.95.")
    judged = tuple(audit_attributes(image_sets, (a,), target.marginal(a.name), tolerance, confidence)
                   for a in target.attributes)
    if len(target.attributes) > 1:
        judged += (audit_attributes(image_sets, target.attributes, target.joint, tolerance, confidence),)
    error = 1 - confidence
    return Audit(together([a.status for a in judged]), tolerance, confidence,
                 RULE.format(tolerance=percent(tolerance), error=percent(error), chance=20 * error), judged)


def together(statuses: Sequence[str]) -> str:
    """One status of several."""
    return "fail" if "fail" in statuses else "pass" if set(statuses) == {"pass"} else "cannot tell"


def audit_attributes(image_sets: Sequence[ImageSet], attributes: Sequence[Attribute], ratios: np.ndarray,
                     tolerance: float, confidence: float) -> AttributeAudit:
    """One attribute, or several jointly; ratios [classes of each]."""
    names = tuple(a.name for a in attributes)
    prompts = tuple(audit_prompt(images, names, ratios, tolerance, confidence) for images in image_sets)
    found = [images for images in image_sets if images.found.any()]
    statuses = [p.status for p in prompts]
    counted = {"passed": statuses.count("pass"), "failed": statuses.count("fail"),
               "untold": statuses.count("cannot tell"), "prompts": prompts, "target": plain(ratios),
               "classes": joint_class_labels(attributes)}
    if not found:
        return AttributeAudit(" x ".join(names), status="cannot tell", sentence="no face was found in any image",
                              distance=None, distance_low=None, distance_high=None, floor=None, images_needed=0, **counted)
    summary = summarise(found, names, ratios)
    told = verdict(summary.counts, ratios, tolerance, confidence)
    needed = scaled(told.images_needed, sum(len(s.found) for s in found), int(summary.counts.sum()))
    mean: MeanOverPrompts = summary.distance
    return AttributeAudit(
        " x ".join(names), status=STATUS[told.status],
        sentence=sentence(told, mean.mean, tolerance, needed, " a prompt"),
        distance=mean.mean, distance_low=told.low, distance_high=told.high, floor=mean.floor, images_needed=needed, **counted)


def audit_prompt(images: ImageSet, names: tuple[str, ...], ratios: np.ndarray, tolerance: float,
                 confidence: float) -> PromptAudit:
    total = len(images.found)
    if not images.found.any():
        return PromptAudit(images.prompt, "cannot tell", f"no face was found in {total} images", total, 0, (), (), (),
                           None, None, None, None, 0)
    one: PromptSummary = summarise([images], names, ratios).prompts[0]
    told = verdict(one.counts, ratios, tolerance, confidence)
    needed = scaled(told.images_needed, total, one.faces)
    return PromptAudit(
        images.prompt, STATUS[told.status], sentence(told, one.distance, tolerance, needed), total, one.faces,
        plain(one.frequencies), plain(one.low), plain(one.high), one.distance, told.low, told.high,
        sampling_floor(ratios, one.faces), needed)


def scaled(faces_needed: int, images: int, faces: int) -> int:
    """How many images give that many faces, going by those seen so far."""
    return math.ceil(faces_needed * images / faces)


def sentence(told: Verdict, distance: float, tolerance: float, needed: int, a_prompt: str = "") -> str:
    """needed: more images, with or without a face; a_prompt: " a prompt" where several are judged together."""
    apart = f"{percent(distance)} of the faces would have to change, {percent(tolerance)} may"
    if told.status != "cannot tell":
        return apart
    return f"{apart}: cannot tell yet with so many images{a_prompt} ({more_images(told.images_needed, needed)})"


def joint_class_labels(attributes: Sequence[Attribute]) -> tuple[str, ...]:
    """ "Female, Asian": the labels of the joint classes, row-major as in metrics.joint_labels."""
    labels = [""]
    for attribute in attributes:
        labels = [f"{label}, {c.label}" if label else c.label for label in labels for c in attribute.classes]
    return tuple(labels)


def plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v) for v in np.ravel(values))
