"""Paints and judges: what the critics make of a set of pictures, generated or rendered."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from fairness_core.critics import Critics
from fairness_core.critics.faces import crop_for
from fairness_core.models.loading import Model
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import Conditioning, decode, denoise, draw_noise, to_uint8

BATCH, TOGETHER, SEED = 64, 16, 0
Key = TypeVar("Key", bound=Hashable)
ConditioningOf = Callable[[Model, str], Conditioning]  # of a prompt
Answers = dict[str, np.ndarray]  # attribute -> probabilities [n, classes]


@dataclass(frozen=True)
class Judged:
    """Pictures and what is seen in them.

    images: uint8 [n, h, w, 3]; found: bool [n], a face was found; seen: what "classifier" and "classifier_eval" say,
    meaningful only where found; features: the evaluation classifier's, float [n, 128]; clip: unit-length features of
    the built-in CLIP, float [n, d].
    """

    images: np.ndarray
    found: np.ndarray
    seen: dict[str, Answers]
    features: np.ndarray
    clip: np.ndarray

    def part(self, first: int, last: int) -> "Judged":
        """The pictures first to last, without the last."""
        cut = slice(first, last)
        seen = {name: {a: values[cut] for a, values in answers.items()} for name, answers in self.seen.items()}
        return Judged(self.images[cut], self.found[cut], seen, self.features[cut], self.clip[cut])

    def labels(self, attribute: str, classifier: str = "classifier_eval") -> np.ndarray:
        """Perceived class index of each picture with a face, int [faces]."""
        return self.seen[classifier][attribute][self.found].argmax(-1)


def as_pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 [n, h, w, 3] -> float [n, 3, h, w] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def judge(critics: Critics, images: np.ndarray) -> Judged:
    """Judges pictures uint8 [n, h, w, 3], as comparisons do: largest face, crop, classifiers."""
    return joined([judge_batch(critics, images[i:i + BATCH]) for i in range(0, len(images), BATCH)])


def judge_batch(critics: Critics, images: np.ndarray) -> Judged:
    pixels = as_pixels(images).to(critics.face_bank.device)
    faces = critics.detector(pixels)
    seen = {name: to_numpy(network.probabilities(crop_for(network, pixels, faces)))
            for name, network in (("classifier", critics.classifier), ("classifier_eval", critics.evaluator))}
    return Judged(images, faces.found.cpu().numpy(), seen,
                  critics.evaluator.embed(crop_for(critics.evaluator, pixels, faces)).cpu().numpy(),
                  F.normalize(critics.encoders["clip"](pixels), dim=-1).cpu().numpy())


def to_numpy(answers: dict[str, torch.Tensor]) -> Answers:
    return {name: values.cpu().numpy() for name, values in answers.items()}


def as_prompted(model: Model, prompt: str) -> Conditioning:
    return condition(model, prompt, model.entry.guidance_scale)


@torch.no_grad()
def paint_judged(model: Model, prompts: Mapping[Key, str], count: int, steps: int,
                 conditioning_of: ConditioningOf = as_prompted) -> dict[Key, Judged]:
    """The first `count` pictures of every prompt, of the same noises as evaluation.paint, prompts sharing batches."""
    wanted = [(prompt, number) for prompt in prompts.values() for number in range(count)]
    pictures = np.concatenate([paint_batch(model, wanted[i:i + TOGETHER], steps, conditioning_of)
                               for i in range(0, len(wanted), TOGETHER)])
    judged = judge(model.critics, pictures)
    return {key: judged.part(i * count, (i + 1) * count) for i, key in enumerate(prompts)}


def paint_batch(model: Model, wanted: Sequence[tuple[str, int]], steps: int,
                conditioning_of: ConditioningOf) -> np.ndarray:
    """uint8 [n, h, w, 3] of n pairs of prompt and image number."""
    with model.autocast():
        each = {prompt: conditioning_of(model, prompt) for prompt, _ in wanted}
        first = next(iter(each.values()))
        conditioning = replace(first, conditional=torch.cat([each[prompt].conditional for prompt, _ in wanted]))
        noise = torch.cat([draw_noise(prompt, [number], SEED, model.latent_shape) for prompt, number in wanted])
        latents = denoise(model.denoiser, model.scheduler, noise.to(model.device), conditioning, steps).latents
        return to_uint8(decode(model.vae, latents))


def joined(parts: Sequence[Judged]) -> Judged:
    """All pictures of several sets, in order."""
    attributes = parts[0].seen["classifier"]
    return Judged(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("images", "found")),
                  {classifier: {a: np.concatenate([p.seen[classifier][a] for p in parts]) for a in attributes}
                   for classifier in parts[0].seen},
                  *(np.concatenate([getattr(p, name) for p in parts]) for name in ("features", "clip")))


@torch.no_grad()
def text_features(model: Model, texts: Sequence[str]) -> np.ndarray:
    """Unit-length features of texts by the built-in CLIP, float [n, d]."""
    return F.normalize(model.critics.text_features(list(texts)), dim=-1).cpu().numpy()
