"""A finetune while it learns: step 0 beside now, and the shares that move. Pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.html.first_look import Share, card
from app.html.fragment import fragment
from app.html.legend import explanations
from fairness_core.events import FilmStrip, StepDone
from fairness_core.plots import concept_name
from fairness_core.report.record import target_if_any
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import Attribute
from fairness_core.settings.config import FinetuneConfig

FEWEST_STEPS, MOST_STEPS = 4, 10  # whose faces are counted together


@dataclass(frozen=True)
class Bar:
    """A class's share of the faces: of the original's pictures, now, and a step earlier, where the bar comes from."""

    who: str
    colour: str
    before: Share
    now: Share
    earlier: Share
    target: float | None

    @property
    def words(self) -> str:
        target = "" if self.target is None else f", target {100 * self.target:.3g} %"
        return f"{self.who} {self.before} → {self.now}{target}"


def live_pairs(film: Sequence[FilmStrip], config: FinetuneConfig) -> str:
    """Each filmed prompt: its noises at step 0 beside the latest strip; empty before the first strip."""
    places = sorted({strip.place for strip in film})
    names = [a.name for a in controlled(config)]
    shown = [prompt_pairs([s for s in film if s.place == place], names, config) for place in places]
    return fragment("live_pairs", prompts=shown, legend=explanations(names) if shown else "")


def prompt_pairs(strips: Sequence[FilmStrip], names: Sequence[str], config: FinetuneConfig) -> dict[str, Any]:
    """Of one prompt: its concept, both steps, a card a noise, and what is told where the second step is still to come."""
    first, last = strips[0], strips[-1]
    before, after = as_images(first), as_images(last)
    cards = [card(i, i, (f"step {first.step}", before), (f"step {last.step}", after), names)
             for i in range(min(len(first.images), len(last.images)))]
    coming = min(first.step + config.film_strip_every, config.steps)  # the last step has a strip of its own
    soon = f"step {coming} comes here" if first is last else ""
    return {"concept": concept_name(first.prompt), "first": first.step, "last": last.step, "cards": cards, "soon": soon}


def as_images(strip: FilmStrip) -> ImageSet:
    """A strip as cards take it; one recorded without what is perceived has no faces to name."""
    found = np.zeros(len(strip.images), bool) if strip.found is None else strip.found
    return ImageSet(strip.prompt, tuple(range(len(strip.images))), strip.images, found, np.zeros((len(found), 4)),
                    strip.probabilities)


def live_bars(steps: Sequence[StepDone], config: FinetuneConfig) -> str:
    """A bar for each class that has to grow, of two, and for every class of more; empty where nobody was counted."""
    window = steps_counted(config)
    bars = [bar for a in controlled(config) for bar in bars_of(steps, a, config, window)]
    return fragment("live_bars", bars=bars, steps=min(window, len(steps)), own_targets=bool(config.targets_by_prompt))


def bars_of(steps: Sequence[StepDone], attribute: Attribute, config: FinetuneConfig, window: int) -> list[Bar]:
    recent, earlier = steps[-window:], steps[:-1][-window:]
    now, before = total(recent, attribute, "seen"), total(recent, attribute, "seen_before")
    if now is None or before is None or not now.sum() or not before.sum():
        return []
    last = total(earlier, attribute, "seen")
    last = now if last is None or not last.sum() else last
    target = None if config.targets_by_prompt else config.target().marginal(attribute.name)
    wanted = np.full(len(now), 1 / len(now)) if target is None else target
    ever = total(steps, attribute, "seen_before")
    places = [int((wanted - ever / ever.sum()).argmax())] if len(now) == 2 else range(len(now))
    return [Bar(attribute.classes[i].who, attribute.classes[i].colour,
                *(Share(int(n[i]), int(n.sum())) for n in (before, now, last)),
                None if target is None else float(target[i])) for i in places]


def total(steps: Sequence[StepDone], attribute: Attribute, kind: str) -> np.ndarray | None:
    """Faces of each class [classes] in these steps together; None where none of them counted any."""
    counts = [counted for step in steps if (counted := getattr(step, kind).get(attribute.name))]
    return np.sum(counts, 0) if counts else None


def steps_counted(config: FinetuneConfig) -> int:
    """About as many as it takes to visit every prompt once."""
    return min(max(math.ceil(len(config.prompts) / config.prompts_per_step), FEWEST_STEPS), MOST_STEPS)


def controlled(config: FinetuneConfig) -> Sequence[Attribute]:
    target = target_if_any(config)
    return target.attributes if target else ()
