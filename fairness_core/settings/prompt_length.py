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

    def told(self, reserved: int = 0) -> str:
        """What is left, or what is too much: "36 of 38 tokens left". reserved: places that soft tokens take."""
        beside = f" beside the {reserved} soft tokens" if reserved else ""
        if self.left >= 0:
            return f"{self.left} of {self.most} tokens left{beside}"
        over = "1 token" if self.left == -1 else f"{-self.left} tokens"
        return f"{over} too long for this model, which reads {max(self.most, 0)}{beside}: shorten it"


def measure_prompt(tokenizer: Any, prompt: str, reserved: int = 0) -> PromptLength:
    """By the model's own tokenizer. reserved: how many of its places are taken already, by soft tokens."""
    frame = tokenizer.num_special_tokens_to_add()
    count = len(tokenizer(prompt, truncation=False, verbose=False).input_ids)
    return PromptLength(count - frame, tokenizer.model_max_length - reserved - frame)


def check_length(prompt: str, length: PromptLength, reserved: int = 0) -> None:
    """Raises PromptError for a prompt that would lose its end."""
    if length.left < 0:
        raise PromptError(f"The prompt “{prompt[:40].strip()}…” is {length.told(reserved)}.")
