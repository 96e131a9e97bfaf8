"""What a finetune must leave alone: prompts that name a class keep showing it, scenes without a person stay as they
are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from scipy import stats

from fairness_core.errors import UserError
from fairness_core.metrics import wilson_interval
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import ASSETS, load_attributes

ALPHA, LOSS_ALLOWED = 0.05, 0.25


class PanelError(UserError):
    """A panel file that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class PanelPrompt:
    """named: attribute -> the class the prompt names; empty for a scene, in which no person is expected."""

    prompt: str
    named: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proportion:
    """count of n with its 95 % Wilson interval; frequency, low and high are None when n is 0."""

    count: int
    n: int
    frequency: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Moved:
    """One panel prompt before and after.

    agreement_*: faces that show every class the prompt names, of the faces found (a scene: pictures without a face,
    of all pictures). clip_image: mean original-tuned cosine. p_value: exact McNemar test on the pictures whose
    agreement changed, None where none can be paired. status: "kept", "moved", "improved", "absent" (the original did
    not paint it either: nothing could be lost) or "cannot tell".
    """

    prompt: str
    named: dict[str, str]
    agreement_before: Proportion
    agreement_after: Proportion
    lost: int
    gained: int
    p_value: float | None
    clip_image: float | None
    status: str


@dataclass(frozen=True)
class MovedCounts:
    """How many prompts have each answer; they sum to all of them. kept: those that are clearer now ("improved"), too."""

    moved: int
    kept: int
    untold: int
    absent: int


@cache
def load_panel(path: Path = ASSETS / "prompts" / "must_not_move.yaml") -> tuple[PanelPrompt, ...]:
    """Explicit prompts, then scenes. Raises PanelError for an attribute or class that does not exist."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    panel = tuple(PanelPrompt(entry["prompt"], dict(entry.get("named", {})))
                  for entry in (*data["explicit"], *data["scenes"]))
    known = load_attributes()
    for entry in panel:
        for attribute, class_name in entry.named.items():
            if attribute not in known or class_name not in known[attribute].class_names:
                raise PanelError(f"{path.name}: “{entry.prompt}” names {attribute}: {class_name}, "
                                 "which does not exist.")
    return panel


def what_moved(comparisons: Sequence[PromptComparison], panel: Sequence[PanelPrompt]) -> list[Moved]:
    """The panel's prompts that were compared, in the order of the panel."""
    compared = {c.prompt: c for c in comparisons}
    return [moved_prompt(compared[entry.prompt], entry) for entry in panel if entry.prompt in compared]


def counted(results: Sequence[Moved]) -> MovedCounts:
    """The one count that the page, its list of runs and whoever else sums up a panel tells."""
    counts = Counter(result.status for result in results)
    return MovedCounts(counts["moved"], counts["kept"] + counts["improved"], counts["cannot tell"], counts["absent"])


def moved_prompt(comparison: PromptComparison, entry: PanelPrompt) -> Moved:
    """Moved (improved) when agreement was lost (won) in more paired pictures than chance explains; kept when surely
    less than LOSS_ALLOWED of the pictures that agreed before were lost (upper end of the Wilson interval)."""
    before, after = (agreement(images, entry.named) for images in (comparison.original, comparison.tuned))
    both = np.isfinite(before) & np.isfinite(after)
    lost, gained = int((before > after)[both].sum()), int((before < after)[both].sum())
    p_value = float(stats.binomtest(lost, lost + gained).pvalue) if lost + gained else (1.0 if both.any() else None)
    agreements = [proportion(values) for values in (before, after)]
    similar = comparison.clip_image[np.isfinite(comparison.clip_image)]
    likeness, agreed = float(similar.mean()) if len(similar) else None, int((before[both] == 1).sum())
    return Moved(entry.prompt, entry.named, *agreements, lost, gained, p_value, likeness,
                 status(agreed, lost, gained, p_value))


def status(agreed: int, lost: int, gained: int, p_value: float | None) -> str:
    """agreed: pictures with a face on both sides that agreed before."""
    if p_value is not None and p_value <= ALPHA:
        return "moved" if lost > gained else "improved"
    if p_value is not None and not agreed:
        return "absent"
    return "kept" if agreed and wilson_interval(lost, agreed)[1] < LOSS_ALLOWED else "cannot tell"


def agreement(images: ImageSet, named: dict[str, str]) -> np.ndarray:
    """float [n]: 1 where a picture shows what the prompt says, 0 where not, nan without a face to judge by."""
    if not named:
        return (~images.found).astype(float)
    known, agrees = load_attributes(), np.ones(len(images.found), bool)
    for attribute, class_name in named.items():
        wanted = known[attribute].class_names.index(class_name)
        agrees &= images.probabilities[attribute].argmax(-1) == wanted
    return np.where(images.found, agrees.astype(float), np.nan)


def proportion(values: np.ndarray) -> Proportion:
    judged = values[np.isfinite(values)]
    count, n = int(judged.sum()), len(judged)
    return Proportion(count, n, count / n, *wilson_interval(count, n)) if n else Proportion(0, 0, None, None, None)
