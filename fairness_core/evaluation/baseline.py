"""The baseline: the model as it is, told by words in the prompt whom to paint, at random in the target's ratio."""

from collections.abc import Callable, Iterator, Sequence

import torch

from fairness_core.evaluation.beyond_faces import outside_likeness
from fairness_core.evaluation.compare import cosine, look, look_at, paint_conditioned
from fairness_core.evaluation.originals import Look, Originals
from fairness_core.models.loading import Model
from fairness_core.results import Baseline
from fairness_core.sampling.conditioning import condition_all
from fairness_core.sampling.denoise import PromptError, check_prompt
from fairness_core.settings.attribute_words import WordedPrompts, worded_prompts
from fairness_core.settings.attributes import TargetDistribution

TOO_LONG = "with the words it would be longer than this model reads"


@torch.no_grad()
def baselines(model: Model, prompts: Sequence[str], numbers: Sequence[int], seed: int,
              target_of: Callable[[str], TargetDistribution], *, sampling_steps: int, guidance_scale: float,
              should_stop: Callable[[], bool] = lambda: False,
              originals: Originals | None = None) -> Iterator[tuple[str, Baseline]]:
    """Yields every prompt with its baseline; noises, likeness and CLIP-T as in compare(): of the plain prompt.

    The model has no adapter. target_of: a prompt's target. Raises AttributesError for a class without words,
    NotFiniteError for pictures that hold values that are not finite.
    """
    originals, numbers = originals or Originals(), tuple(numbers)
    for prompt in prompts:
        if should_stop():
            return
        how = prompt, numbers, seed, sampling_steps, guidance_scale
        before = originals.recall(how, lambda: look(model, *how))
        worded = fitting(model, prompt, worded_prompts(prompt, numbers, seed, target_of(prompt)))
        yield prompt, baseline_of(model, worded, before, before if worded.left_alone else look_worded(model, worded, *how))


def fitting(model: Model, prompt: str, worded: WordedPrompts) -> WordedPrompts:
    """The same, or the plain prompt where some would lose their end."""
    try:
        for one in set(worded.prompts):
            check_prompt(model.tokenizer, one)
    except PromptError:
        return WordedPrompts((prompt,) * len(worded.prompts), TOO_LONG)
    return worded


def look_worded(model: Model, worded: WordedPrompts, prompt: str, numbers: Sequence[int], seed: int, sampling_steps: int,
                guidance_scale: float) -> Look:
    """Every picture from its own prompt and the plain prompt's noise."""
    with model.autocast():
        conditioning = condition_all(model, worded.prompts, guidance_scale)
    images = paint_conditioned(model, prompt, conditioning, numbers, seed, sampling_steps)
    return look_at(model.critics, prompt, numbers, images)


def baseline_of(model: Model, worded: WordedPrompts, before: Look, after: Look) -> Baseline:
    """How alike the pictures with words, the original's and the plain prompt are."""
    critics, prompt = model.critics, before.images.prompt
    return Baseline(worded.prompts, worded.left_alone, after.images, cosine(after.clip, critics.text_features([prompt])),
                    cosine(before.clip, after.clip), cosine(before.dino, after.dino),
                    outside_likeness(critics, before.images, after.images, model.device))
