"""What a prompt says to the denoiser, by the text encoders and their adapters as they are now."""

from collections.abc import Sequence
from typing import Any

from fairness_core.denoisers.kinds import denoiser_in
from fairness_core.sampling.steering import Conditioning


def condition(model: Any, prompt: str, guidance_scale: float) -> Conditioning:
    """One prompt for all images: see condition_all()."""
    return condition_all(model, [prompt], guidance_scale)


def condition_all(model: Any, prompts: Sequence[str], guidance_scale: float) -> Conditioning:
    """The prompts as the model's denoiser reads them, and the empty prompt where it is guided by two passes.

    model: anything with a tokenizer and a text_encoder; a fairness_core Model where there is more than one.
    Raises PromptError for a prompt that is too long.
    """
    return denoiser_in(model).condition(model, prompts, guidance_scale)
