"""T5, which reads the prompt for Stable Diffusion 3 and FLUX. It is frozen: what it says of a prompt is asked once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fairness_core.hardware.waiting import may_wait, to_device
from fairness_core.settings.prompt_length import PromptError

REMEMBERED = 2000  # prompts, of at most 4 MB each


class T5:
    """encoder, tokenizer: transformers'; tokens: how many places a prompt gets. What was read waits on the CPU."""

    def __init__(self, encoder: nn.Module, tokenizer: Any, tokens: int):
        self.encoder, self.tokenizer, self.tokens = encoder, tokenizer, tokens
        self.known: dict[str, Tensor] = {}

    def __call__(self, prompts: Sequence[str], device: torch.device) -> Tensor:
        """Embeddings [prompts, tokens, width] on the device, without graph. Raises PromptError for a prompt too long."""
        if new := [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.known]:
            self.known |= dict(zip(new, self.read(new, device)))
        rows = torch.stack([self.known[prompt] for prompt in prompts])
        for prompt in list(self.known)[:-REMEMBERED]:
            del self.known[prompt]
        return to_device(rows, device)

    @torch.no_grad()
    def read(self, prompts: list[str], device: torch.device) -> Tensor:
        """The same, read anew, on the CPU; in the weights' own precision, for float16's arithmetic overflows in it."""
        ids = self.tokenizer(prompts, padding="max_length", max_length=self.tokens, return_tensors="pt").input_ids
        if ids.shape[1] > self.tokens:
            raise PromptError(f"T5 reads at most {self.tokens} tokens and this prompt takes {ids.shape[1]}: shorten it "
                              f"({prompts[0][:40].strip()}...).")
        with torch.autocast(device.type, enabled=False), may_wait():
            return self.encoder(to_device(ids, device))[0].cpu()
