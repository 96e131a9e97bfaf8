"""What a comparison paints: prompts that are new, and more images behind those that are there already."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from app.engine import Engine
from app.jobs.files import JobRequest
from fairness_core.results import PromptComparison, joined
from fairness_core.settings.prompts import is_held_out


def worded(engine: Engine, model: Any, request: JobRequest, comparisons: Sequence[PromptComparison],
           should_stop: Callable[[], bool]) -> Iterator[tuple[str, list[PromptComparison]]]:
    """Yields the prompt just painted with words in it, and all comparisons; those that have their baseline keep it."""
    done, wanted = list(comparisons), [c for c in comparisons if c.baseline is None]
    for numbers, some in groupby(wanted, lambda c: c.original.numbers):
        for prompt, baseline in engine.baselines(
                model, [c.prompt for c in some], numbers, request.seed, request.config.target,
                sampling_steps=request.config.steps_shown, guidance_scale=request.config.guidance_scale,
                should_stop=should_stop):
            done = [replace(c, baseline=baseline) if c.prompt == prompt else c for c in done]
            yield prompt, done


def painted(engine: Engine, model: Any, request: JobRequest, adapter: Path | None, earlier: Sequence[PromptComparison],
            should_stop: Callable[[], bool]) -> Iterator[tuple[str, list[PromptComparison]]]:
    """Yields the prompt just painted and all comparisons so far, in the order asked for.

    earlier: images that stay. A prompt that has fewer than request.images gets the numbers that follow.
    """
    done = {c.prompt: c for c in earlier}

    def first_number(prompt: str) -> int:
        return len(done[prompt].original.numbers) if prompt in done else 0

    wanted = [p for p in request.compare_prompts if first_number(p) < request.images]
    for first, prompts in groupby(wanted, first_number):
        for comparison in engine.compare(
                model, list(prompts), range(first, request.images), request.seed, adapter, strength=request.strength,
                sampling_steps=request.config.steps_shown, guidance_scale=request.config.guidance_scale,
                should_stop=should_stop):
            prompt = comparison.prompt
            comparison = replace(comparison, held_out=is_held_out(prompt, request.config.prompts))
            done[prompt] = joined(done[prompt], comparison) if prompt in done else comparison
            yield prompt, [done[p] for p in dict.fromkeys((*request.compare_prompts, *done)) if p in done]
