"""What steers a denoiser: prompt embeddings, guidance, and which image has which prompt."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fairness_core.errors import UserError


@dataclass(frozen=True)
class Said:
    """What a denoiser is told about n noisy images, in one pass.

    embeddings: prompts' tokens [n, tokens, width]; guidance_scale: for those that read it; pooled: [n, width], and
    time_ids: [1, 6] (see denoisers/sdxl.py), None for those that are not told them.
    """

    embeddings: Tensor
    guidance_scale: float
    pooled: Tensor | None = None
    time_ids: Tensor | None = None

    def before(self, other: "Said") -> "Said":
        """Of these images, and then of the other ones."""
        pooled = None if self.pooled is None else torch.cat([self.pooled, other.pooled])
        return replace(self, embeddings=torch.cat([self.embeddings, other.embeddings]), pooled=pooled)


@dataclass(frozen=True)
class Conditioning:
    """What steers a denoiser.

    conditional, unconditional: prompt embeddings [prompts, tokens, width], of one prompt for all images, or of several;
    unconditional: None for a denoiser that is guided without a second pass. guidance_scale: at least 1; 1 means no
    classifier-free guidance. pooled, pooled_unconditional: [prompts, width], and time_ids: [1, 6], the rest of what some
    are told (see denoisers), None for others.
    prompt_of: int [images], each image's prompt where there are several; None: one prompt for all, or one an image.
    Raises UserError for a guidance scale below 1.
    """

    conditional: Tensor
    unconditional: Tensor | None
    guidance_scale: float
    pooled: Tensor | None = None
    pooled_unconditional: Tensor | None = None
    time_ids: Tensor | None = None
    prompt_of: Tensor | None = None

    def __post_init__(self) -> None:
        if self.guidance_scale < 1:
            raise UserError(f"guidance_scale is {self.guidance_scale}: use 1 (no guidance) or more.")

    @property
    def is_guided(self) -> bool:
        """By a second pass, for the empty prompt."""
        return self.guidance_scale != 1 and self.unconditional is not None

    def of(self, images: Tensor | slice) -> "Conditioning":
        """What steers some of the images; embeddings that they share stay shared."""
        if self.prompt_of is not None:
            return replace(self, prompt_of=self.prompt_of[images])
        if len(self.conditional) == 1 and (self.unconditional is None or len(self.unconditional) == 1):
            return self
        def rows(values: Tensor | None) -> Tensor | None:
            return values if values is None or len(values) == 1 else values[images]
        return replace(self, conditional=rows(self.conditional), unconditional=rows(self.unconditional),
                       pooled=rows(self.pooled), pooled_unconditional=rows(self.pooled_unconditional))

    def said(self, n: int) -> Said:
        """Of n images, by their prompts."""
        return Said(self.expanded(self.conditional, n), self.guidance_scale, self.expanded(self.pooled, n), self.time_ids)

    def unsaid(self, n: int) -> Said:
        """The same by the empty prompt."""
        return Said(self.expanded(self.unconditional, n), self.guidance_scale, self.expanded(self.pooled_unconditional, n),
                    self.time_ids)

    def expanded(self, values: Tensor | None, n: int) -> Tensor | None:
        """Raises ValueError for another batch size."""
        if values is None:
            return None
        if self.prompt_of is not None and len(values) > 1:
            values = values[self.prompt_of]
        if len(values) not in (1, n):
            raise ValueError(f"{len(values)} prompt embeddings for {n} images: give one for all, or one an image.")
        return values.expand(n, *values.shape[1:])
