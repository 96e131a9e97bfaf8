"""Adjusted direct finetuning (paper, section 4): how a gradient at the images reaches the denoiser's conditioning.

A linear deterministic solver gives z_0 = c z_T + sum_t k_t out_t, where out_t is the (guided) output of the
denoiser at step t. With its inputs detached, dL/dtheta = sum_t k_t (d out_t / d theta)^T g, g = dL/dz_0: one
independent forward and backward a step, in any batches, after a sampling without gradient. METHOD section 4.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fairness_core.adapters.lora import lora_scales
from fairness_core.denoisers.kinds import denoiser_of
from fairness_core.denoisers.protocol import Denoiser
from fairness_core.hardware.recorded import recorded
from fairness_core.hardware.waiting import to_device
from fairness_core.sampling.denoise import Trajectory, denoise, even_parts, guided_prediction
from fairness_core.sampling.steering import Conditioning

EMBEDDINGS = ("conditional", "unconditional", "pooled", "pooled_unconditional")  # what of a Conditioning is learned


@dataclass(frozen=True)
class ConditioningGradient:
    """Gradient with respect to the embeddings of a Conditioning, in their shapes; zero where none was asked for, None where
    it has none.
    """

    conditional: Tensor
    unconditional: Tensor | None = None
    pooled: Tensor | None = None
    pooled_unconditional: Tensor | None = None

    def backward(self, conditioning: Conditioning) -> None:
        """Carries the gradient on, through the text encoder, once for all embeddings."""
        pairs = [(getattr(conditioning, name), getattr(self, name)) for name in EMBEDDINGS]
        pairs = [(embeddings, gradient) for embeddings, gradient in pairs
                 if embeddings is not None and embeddings.requires_grad]
        torch.autograd.backward([e for e, _ in pairs], [g.to(e.dtype) for e, g in pairs])


def choose_timesteps(total: int, wanted: int, generator: torch.Generator | None = None) -> tuple[list[int], float]:
    """`wanted` of `total` step indices, spread evenly (0: all of them), and the scale total / wanted.

    Systematic sampling: the products start + j * total, for start in 0..total-1 and j in 0..wanted-1, take every
    value once, so a random start picks each index with probability exactly wanted / total: unbiased.
    Raises ValueError unless 0 <= wanted <= total.
    """
    if not 0 <= wanted <= total:
        raise ValueError(f"Cannot choose {wanted} of {total} timesteps: ask for 0 (all) to {total}.")
    if wanted == 0:
        return list(range(total)), 1.0
    start = int(torch.randint(total, (), generator=generator).numpy())
    return [(start + j * total) // wanted for j in range(wanted)], total / wanted


def accumulate_gradients(denoiser: Denoiser | nn.Module, trajectory: Trajectory, conditioning: Conditioning,
                         latents_gradient: Tensor, weights: Tensor, pairs: Sequence[tuple[int, int]], scale: float, images_per_batch: int,
                         unconditional_gradient: bool = True, is_recorded: bool = False) -> ConditioningGradient:
    """sum over (step, image) pairs of scale * weights[step] * (d out_step)^T latents_gradient, of that image.

    The denoiser's parameters that require a gradient accumulate it in .grad; that of the prompt embeddings is returned.
    latents_gradient: [n, c, h, w], the loss's gradient at the final latents; weights: [T], from step_weights;
    pairs: each image's chosen steps; scale: from choose_timesteps. They run in batches of at most images_per_batch,
    nearly even ones, so memory depends on that number only. unconditional_gradient=False treats the unconditional
    prediction as a constant (no gradient to its embeddings nor to parameters through it): a cheaper, approximate
    backward. is_recorded: on a GPU, as hardware/recorded.py tells.
    """
    network, reaching = denoiser_of(denoiser).network, weights.numpy()
    learning, leaves = learning_weights(network), leaves_of(conditioning, unconditional_gradient)
    sums: Sequence[Tensor] = ()
    pairs = [(step, image) for step, image in pairs if reaching[step]]
    with torch.no_grad():
        gradients = gradients_of_batch
        if is_recorded:
            gradients = recorded(gradients, network, latents_gradient.device, lora_scales(network))
        for steps, images, factors in batches(pairs, scale * weights, images_per_batch, latents_gradient):
            pull = factors.view(-1, 1, 1, 1) * latents_gradient[images]
            found = gradients(denoiser, trajectory.model_inputs[steps, images], trajectory.timesteps[steps], images, pull,
                              conditioning, unconditional_gradient)
            sums = torch._foreach_add(sums, found) if sums else found
    for weight, gradient in zip(learning, sums):
        weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
    at_embeddings = dict(zip(learned(leaves), sums[len(learning):]))
    return ConditioningGradient(*(at_embeddings.get(name, gradient_of(getattr(leaves, name))) for name in EMBEDDINGS))


def gradients_of_batch(denoiser: Denoiser | nn.Module, model_input: Tensor, timesteps: Tensor, images: Tensor, pull: Tensor,
                       conditioning: Conditioning, unconditional_gradient: bool) -> tuple[Tensor, ...]:
    """(d guided output)^T pull, summed over a batch: at the denoiser's learning weights, then at the learned embeddings.

    model_input, pull: [n, c, h, w]; timesteps, images: [n], of each its timestep and which image of the conditioning's it is.
    """
    leaves = leaves_of(conditioning, unconditional_gradient)
    predict_rows = guided_prediction if unconditional_gradient else conditional_part
    with torch.enable_grad():
        output = predict_rows(denoiser, model_input, timesteps, leaves.of(images))
    at = [*learning_weights(denoiser_of(denoiser).network), *learned(leaves).values()]
    return torch.autograd.grad(output, at, pull, materialize_grads=True)


def learning_weights(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]


def learned(leaves: Conditioning) -> dict[str, Tensor]:
    """Of leaves_of(), the embeddings that collect a gradient, by name."""
    each = {name: getattr(leaves, name) for name in EMBEDDINGS}
    return {name: values for name, values in each.items() if values is not None and values.requires_grad}


def naive_gradients(denoiser: Denoiser | nn.Module, scheduler, noise: Tensor, conditioning: Conditioning,
                    latents_gradient: Tensor, steps: int, images_at_once: int) -> ConditioningGradient:
    """The same by plain autograd through the whole sampling, a few images at a time: their graphs are large."""
    leaves = leaves_of(conditioning, True)
    for rows in even_parts(len(noise), images_at_once):
        with torch.enable_grad():
            latents = denoise(denoiser, scheduler, noise[rows], leaves.of(rows), steps).latents
        latents.backward(latents_gradient[rows])
    return ConditioningGradient(*(gradient_of(getattr(leaves, name)) for name in EMBEDDINGS))


def leaves_of(conditioning: Conditioning, unconditional_gradient: bool) -> Conditioning:
    """The same embeddings without graph, ready to collect their gradient."""
    def leaf(name: str) -> Tensor | None:
        values = getattr(conditioning, name)
        return None if values is None else values.detach().requires_grad_(
            unconditional_gradient or "unconditional" not in name)
    return replace(conditioning, **{name: leaf(name) for name in EMBEDDINGS})


def conditional_part(denoiser: Denoiser | nn.Module, model_input: Tensor, timesteps: Tensor,
                     conditioning: Conditioning) -> Tensor:
    """What of guided_prediction depends on the prompt: the rest is a constant and its value is not needed."""
    scale = conditioning.guidance_scale if conditioning.is_guided else 1.0
    return scale * denoiser_of(denoiser).predict(model_input, timesteps, conditioning.said(len(model_input)))


def every_pair(steps: Sequence[int], images: Sequence[int]) -> list[tuple[int, int]]:
    """Each of the steps with each of the images."""
    return [(step, image) for step in steps for image in images]


def batches(pairs: Sequence[tuple[int, int]], weights: Tensor, size: int,
            like: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The pairs and their steps' weights as tensors (steps, images, weights) of at most `size` entries, where `like` is."""
    if size < 1:
        raise ValueError(f"images_per_batch is {size}: it must be at least 1.")
    if not pairs:
        return
    indices = torch.tensor(pairs).T
    factors = to_device(weights.index_select(0, indices[0]).to(like.dtype), like.device)
    steps, images = to_device(indices, like.device)
    for rows in even_parts(len(pairs), size):
        yield steps[rows], images[rows], factors[rows]


def gradient_of(leaf: Tensor | None) -> Tensor | None:
    return leaf if leaf is None else torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
