"""What a comparison shows first: a line a prompt, from what share to what share, with the target. Pure functions."""

from collections.abc import Sequence

from app import words
from app.html.fragment import fragment
from app.requests.settings import typed
from fairness_core.plots import concept_name
from fairness_core.report.record import target_if_any
from fairness_core.report.shares import controlled_shares, headline
from fairness_core.results import PromptComparison
from fairness_core.settings.attributes import load_attributes
from fairness_core.settings.config import FinetuneConfig

FIRST = 6  # prompts whose lines are seen at once


def headlines(comparisons: Sequence[PromptComparison], config: FinetuneConfig) -> str:
    """A line a prompt, with everything controlled in it behind a touch; empty without a target."""
    if target_if_any(config) is None:
        return ""
    lines = [line(comparison, config) for comparison in comparisons]
    return fragment("headlines", first=lines[:FIRST], rest=lines[FIRST:], note=words.HEADLINES)


def line(comparison: PromptComparison, config: FinetuneConfig) -> dict:
    told = controlled_shares(comparison, config)
    return {"concept": concept_name(comparison.prompt), "held_out": comparison.held_out,
            "heads": [headline(shares) for shares in told.values()],
            "faces": [int(images.found.sum()) for images in (comparison.original, comparison.tuned)],
            "images": len(comparison.original.found),
            "shares": [(load_attributes()[name].label, shares) for name, shares in told.items()]}


def compared(comparisons: Sequence[PromptComparison], config: FinetuneConfig, left_out: Sequence[str]) -> str:
    """What is among the pictures, and what is not: typed, chosen, held out. Empty where nothing is left out."""
    seen = [c.prompt for c in comparisons]
    own = typed(seen)
    chosen = [p for p in seen if p in config.prompts and p not in own]
    rest = len(seen) - len(own) - len(chosen)
    counts = [f"{n} {what}" for n, what in ((len(own), "you typed"), (len(chosen), "of the concepts finetuned on"),
                                            (rest, "not finetuned on ★")) if n]
    trained = [p for p in left_out if p in config.prompts]
    held_out = [p for p in left_out if p not in config.prompts]
    missing = [f"{len(found)} {what} ({names(found)})"
               for found, what in ((trained, "finetuned on"), (held_out, "held out")) if found]
    return fragment("compared", counts=counts, missing=missing)


def names(prompts: Sequence[str], most: int = 4) -> str:
    """ "chef, judge, pilot and 20 more"."""
    shown = ", ".join(concept_name(p) for p in prompts[:most])
    return shown + (f" and {len(prompts) - most} more" if len(prompts) > most else "")
