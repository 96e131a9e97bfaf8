"""How many tokens a prompt takes of those that a model reads."""

from dataclasses import dataclass
from typing import Any

from fairness_core.errors import UserError


class PromptError(UserError):
    """A prompt that cannot be used; the message says what to change."""


@dataclass(frozen=True)
class PromptLength:
    """tokens: of the prompt itself; most: that a prompt may have, beside its start, its end and reserved places."""

    tokens: int
    most: int

    @property
    def left(self) -> int:
        """How many more there may be; below 0 where the prompt is too long."""
        return self.most - self.tokens


def measure_prompt(tokenizer: Any, prompt: str, reserved: int = 0) -> PromptLength:
    """By the model's own tokenizer. reserved: how many of its places are taken already, by soft tokens."""
    frame = tokenizer.num_special_tokens_to_add()
    count = len(tokenizer(prompt, truncation=False, verbose=False).input_ids)
    return PromptLength(count - frame, tokenizer.model_max_length - reserved - frame)


def check_length(prompt: str, length: PromptLength, reserved: int = 0) -> None:
    """Raises PromptError for a prompt that would lose its end."""
    if length.left < 0:
        beside = f" beside the {reserved} soft tokens" if reserved else ""
        raise PromptError(f"The prompt of {len(prompt.split())} words takes {length.tokens} tokens and this model reads "
                          f"at most {max(length.most, 0)}{beside}: shorten it ({prompt[:40].strip()}...).")
