"""One prompt in a sentence: from what share to what share, and the target."""

from collections.abc import Sequence
from dataclasses import dataclass

from fairness_core.metrics import percent
from fairness_core.report.record import side_record
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig


@dataclass(frozen=True)
class Share:
    """How often a class is perceived before and after, each with Wilson's 95 % interval: "frequency", "low", "high" in
    [0, 1]; None without a face. target: in [0, 1]."""

    label: str
    before: dict[str, float] | None
    after: dict[str, float] | None
    target: float

    @property
    def figures(self) -> tuple[str, str]:
        """("6 %", "81 %")"""
        before, after = ("no face" if share is None else percent(share["frequency"]) for share in (self.before, self.after))
        return before, after

    @property
    def intervals(self) -> tuple[str, str]:
        """("1 to 28 %", "57 to 93 %"); empty without a face."""
        before, after = ("" if share is None else f"{100 * share['low']:.0f} to {percent(share['high'])}"
                         for share in (self.before, self.after))
        return before, after

    @property
    def goal(self) -> str:
        return percent(self.target)

    @property
    def sentence(self) -> str:
        """ "6 % to 81 % women, target 60 %"."""
        return f"{self.figures[0]} to {self.figures[1]} {self.label}, target {self.goal}"


def controlled_shares(comparison: PromptComparison, config: FinetuneConfig) -> dict[str, list[Share]]:
    """attribute -> the share of each of its classes, for what is controlled. Raises TargetError without a target."""
    target, known = config.target(comparison.prompt), load_attributes()
    sides = [side_record(images)["frequencies"] for images in (comparison.original, comparison.tuned)]
    return {name: [Share(c.who, *(side.get(name, {}).get(c.name) for side in sides), float(ratio))
                   for c, ratio in zip(known[name].classes, target.marginal(name), strict=True)]
            for name in target.names}


def headline(shares: Sequence[Share]) -> Share:
    """Of an attribute's classes the one that tells most: the first of two, which tells of both, or of several the one
    that was furthest from its target."""
    if len(shares) == 2:
        return shares[0]
    return max(shares, key=lambda share: abs((share.before or share.after or {"frequency": share.target})["frequency"]
                                             - share.target))
