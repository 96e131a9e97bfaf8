"""The adjusted gradient without a second forward pass: chosen predictions keep their graphs while the sampling goes on.

What accumulate_gradients() gives, in less time and at the price of all graphs' memory at once: for small networks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fairness_core.denoisers.protocol import Denoiser
from fairness_core.hardware.waiting import to_device
from fairness_core.sampling.denoise import DENOISED_AT_ONCE, even_parts, guided_prediction
from fairness_core.sampling.gradients import EMBEDDINGS, ConditioningGradient, gradient_of, leaves_of
from fairness_core.sampling.steering import Conditioning


class KeptGraphs:
    """Predicts as denoise() does, and keeps the graphs of some (step, image) pairs, from the embeddings to the output."""

    def __init__(self, denoiser: Denoiser, conditioning: Conditioning, pairs: Sequence[tuple[int, int]]):
        self.denoiser, self.conditioning, self.leaves = denoiser, conditioning, leaves_of(conditioning, True)
        self.pairs = pairs
        self.kept: list[tuple[int, Tensor, Tensor]] = []  # step, images, their outputs

    def predict(self, step: int, model_input: Tensor, timestep: Tensor) -> Tensor:
        """The guided outputs of all images at one step, without graph, float32 [n, c, h, w]."""
        chosen = [image for at, image in self.pairs if at == step]
        others = sorted(set(range(len(model_input))) - set(chosen))
        result = torch.empty_like(model_input, dtype=torch.float32)
        for images, keeps in ((others, False), (chosen, True)):
            for rows in even_parts(len(images), DENOISED_AT_ONCE) if images else ():
                where = to_device(torch.tensor(images[rows]), model_input.device)
                with torch.set_grad_enabled(keeps):
                    output = guided_prediction(self.denoiser, model_input[where].detach(), timestep,
                                               (self.leaves if keeps else self.conditioning).of(where))
                result.index_copy_(0, where, output.detach())
                if keeps:
                    self.kept.append((step, where, output))
        return result

    def backward(self, latents_gradient: Tensor, weights: Tensor, scale: float) -> ConditioningGradient:
        """See accumulate_gradients(); each graph is freed when it has been used."""
        factors = (scale * weights).numpy()
        while self.kept:
            step, images, output = self.kept.pop()
            output.backward(float(factors[step]) * latents_gradient[images])
        return ConditioningGradient(*(gradient_of(getattr(self.leaves, name)) for name in EMBEDDINGS))
