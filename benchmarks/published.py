"""The published training iteration, in this project's parts: what the engine's iteration is measured against.

Three samplings for each update: the tuned model without gradient, the original, and the tuned model again with a graph
through all denoising steps, each U-Net call computed a second time in the backward pass. Hooks make it the adjusted
gradient: the U-Net's input is detached, the gradient at its output rescaled. Images go through in micro-batches, faces
one by one, and the transport draw by draw. Its gradient is the engine's with all timesteps (tests/benchmarks).
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from fairness_core.adapters.attach import adapter_strength
from fairness_core.critics import Critics
from fairness_core.critics.faces import Faces, crop_for
from fairness_core.denoisers.protocol import Denoiser
from fairness_core.gradient_lab.measure import CheckpointedDenoiser
from fairness_core.sampling.coefficients import scheduler_coefficients
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import decode, denoise, draw_noise
from fairness_core.sampling.steering import Said
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.training.asking import ROUNDING, TRANSPORT_DRAWS
from fairness_core.training.losses import alignment_loss
from fairness_core.training.objective import Reference, class_changes, face_of, rows_of, semantics_of, slices
from fairness_core.training.start import Run
from fairness_core.training.step import FIRST_TRAINING_NUMBER, move
from fairness_core.training.step_plan import prompts_of_step

MICRO_BATCH = 4


@dataclass(frozen=True)
class Targets:
    """The transport's answer by attribute: labels int [n], applies bool [n]."""

    labels: dict[str, Tensor]
    applies: dict[str, Tensor]


class AdjustedDenoiser(CheckpointedDenoiser):
    """Multiplies the gradient at the output of call t by factors[t]: adjusted weight over the solver's coefficient."""

    def __init__(self, denoiser: Denoiser, factors: Tensor):
        super().__init__(denoiser)
        self.factors = iter(factors.tolist())

    def predict(self, model_input: Tensor, timesteps: Tensor, said: Said) -> Tensor:
        output, factor = super().predict(model_input, timesteps, said), next(self.factors)
        output.register_hook(lambda gradient: gradient * factor)
        return output


def take_step(run: Run) -> None:
    """One update, with new noises at every step; the adapter moves by it as by the engine's."""
    config, prompts = run.config, prompts_of_step(run.config, run.step)
    first = FIRST_TRAINING_NUMBER + run.step * config.images_per_prompt
    for index, prompt in enumerate(prompts):
        noise = draw_noise(prompt, range(first, first + config.images_per_prompt), config.seed, run.model.latent_shape)
        add_gradient(run, prompt, noise.to(run.model.device), np.random.default_rng([config.seed, run.step, index]))
    move(run, len(prompts))
    run.optimizer.zero_grad(set_to_none=True)
    run.step += 1


def add_gradient(run: Run, prompt: str, noise: Tensor, rng: np.random.Generator) -> None:
    """Accumulates the gradient of the losses, mean over the images of noise [n, c, h, w], in the parameters."""
    model, target = run.model, run.targets[prompt]
    with model.autocast():
        images = sample_tuned(run, prompt, noise)
        reference = look_at_originals(model.critics, sample_original(run, prompt, noise))
        targets = find_targets(model.critics, images, target, run.config.losses.confidence, rng)
        for rows in slices(len(noise), MICRO_BATCH):
            latents = sample_with_graph(run, prompt, noise[rows])
            loss = losses_of(run, decode(model.vae, latents), reference.rows(rows), targets, rows, target)
            backward(run.scaler.get_scale() * loss / len(noise))


# ---------------------------------------------------------------- three samplings

@torch.no_grad()
def sample_tuned(run: Run, prompt: str, noise: Tensor) -> Tensor:
    """Images [n, 3, h, w], without graph."""
    model, config = run.model, run.config
    images = []
    for rows in slices(len(noise), MICRO_BATCH):
        conditioning = condition(model, prompt, config.guidance_scale)
        latents = denoise(model.denoiser, model.scheduler, noise[rows], conditioning, config.sampling_steps).latents
        images.append(decode(model.vae, latents))
    return torch.cat(images)


def sample_original(run: Run, prompt: str, noise: Tensor) -> Tensor:
    """The same by the frozen model."""
    with adapter_strength(run.model, 0.0):
        return sample_tuned(run, prompt, noise)


def sample_with_graph(run: Run, prompt: str, noise: Tensor) -> Tensor:
    """Final latents with the graph of every step."""
    model, config = run.model, run.config
    coefficients = scheduler_coefficients(model.scheduler, config.sampling_steps).outputs
    factors = torch.where(coefficients == 0, 0.0, run.step_weights / torch.where(coefficients == 0, 1.0, coefficients))
    conditioning = condition(model, prompt, config.guidance_scale)
    return denoise(AdjustedDenoiser(model.denoiser, factors), model.scheduler, noise, conditioning, config.sampling_steps,
                   detach_inputs=True).latents


def backward(loss: Tensor) -> None:
    """Critics, decoder, every denoising step (forward once more), text encoder: all in one."""
    loss.backward()


# ---------------------------------------------------------------- faces one by one

def find_faces(critics: Critics, images: Tensor) -> Faces:
    each = [critics.detector(image[None]) for image in images.detach()]
    landmarks = None if each[0].landmarks is None else torch.cat([f.landmarks for f in each])
    return Faces(torch.cat([f.found for f in each]), torch.cat([f.boxes for f in each]), landmarks)


def crops_of(network, images: Tensor, faces: Faces) -> Tensor:
    """What `network` reads of each face, [n, 3, size, size]."""
    return torch.cat([crop_for(network, images[i:i + 1], faces.rows(slice(i, i + 1))) for i in range(len(images))])


@torch.no_grad()
def look_at_originals(critics: Critics, images: Tensor) -> Reference:
    """Everything the losses will ask of the original images [n, 3, h, w]."""
    faces = find_faces(critics, images)
    seen = critics.classifier.probabilities(crops_of(critics.classifier, images, faces))
    labels = {name: p.argmax(-1) for name, p in seen.items()}
    confidence = {name: p.amax(-1) for name, p in seen.items()}
    return Reference(faces, labels, confidence, [encode(images).float() for encode in critics.encoders.values()],
                     critics.face_embedder.embed(crops_of(critics.face_embedder, images, faces)))


# ---------------------------------------------------------------- transport draw by draw

@torch.no_grad()
def find_targets(critics: Critics, images: Tensor, target: TargetDistribution, confidence: float,
                 rng: np.random.Generator) -> Targets:
    """Faces of images [n, 3, h, w], their probabilities, and the classes they should move to."""
    faces = find_faces(critics, images)
    seen = critics.classifier.probabilities(crops_of(critics.classifier, images, faces))
    found = faces.found.cpu().numpy()
    shares = draw_shares({name: seen[name].cpu().numpy()[found] for name in target.names}, target, rng)
    labels, applies = {}, {}
    for name, share in shares.items():
        labels[name], applies[name] = np.zeros(len(found), int), np.zeros(len(found), bool)
        labels[name][found], applies[name][found] = share.argmax(1), share.max(1) >= confidence - ROUNDING
    device = images.device
    return Targets({name: torch.as_tensor(v, device=device) for name, v in labels.items()},
                   {name: torch.as_tensor(v, device=device) for name, v in applies.items()})


def draw_shares(probabilities: dict[str, np.ndarray], target: TargetDistribution, rng: np.random.Generator,
                draws: int = TRANSPORT_DRAWS) -> dict[str, np.ndarray]:
    """attribute -> share of the draws that give each image each class, [n, classes]."""
    shares = {name: np.zeros_like(probabilities[name], dtype=float) for name in target.names}
    joint = target.joint.ravel() / target.joint.sum()
    n = len(probabilities[target.names[0]])
    for _ in range(draws):
        drawn = np.unravel_index(rng.choice(joint.size, size=n, p=joint), target.joint.shape)
        one_hot = {name: np.eye(probabilities[name].shape[1])[classes] for name, classes in zip(target.names, drawn)}
        squared = sum(((probabilities[name][:, None] - one_hot[name][None]) ** 2).sum(-1) for name in target.names)
        _, columns = linear_sum_assignment(np.sqrt(squared))
        for name in target.names:
            shares[name] += one_hot[name][columns] / draws
    return shares


# ---------------------------------------------------------------- losses

def losses_of(run: Run, images: Tensor, reference: Reference, targets: Targets, rows: slice,
              target: TargetDistribution) -> Tensor:
    """Sum of the weighted losses of a micro-batch [m, 3, h, w], `rows` of the whole batch."""
    critics, weights = run.model.critics, run.config.losses
    labels, applies = rows_of(targets.labels, rows), rows_of(targets.applies, rows)
    faces = find_faces(critics, images)
    seen = critics.classifier(crops_of(critics.classifier, images, faces))
    logits = {name: seen[name] for name in target.names}
    probabilities = {name: values.detach().float().softmax(-1) for name, values in logits.items()}
    changes = class_changes(probabilities, labels, applies, faces, reference)
    semantics = semantics_of(critics, images, faces, reference, changes, target.attributes)
    crops = crops_of(critics.face_embedder, images, faces)
    face = face_of(critics.face_embedder, critics.face_bank, crops, faces, reference, changes)
    return (alignment_loss(logits, labels, applies) + weights.semantics * semantics + weights.face * face).sum()
