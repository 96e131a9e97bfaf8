"""Networks that look at images: two semantics encoders, the classifiers, the face embedder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoImageProcessor, AutoModel, CLIPModel, CLIPTokenizer

from fairness_core.classifier import FaceNetwork
from fairness_core.faces import FaceDetector, FaceReader, MtcnnDetector


class FaceClassifier(FaceReader, Protocol):
    """Perceives attributes in crops. heads_config: attribute -> class names, in the order of the attributes file."""

    heads_config: dict[str, list[str]]

    def __call__(self, crops: Tensor) -> dict[str, Tensor]:
        """crops [n, 3, crop_size, crop_size] in [-1, 1] -> logits [n, classes] by attribute, with gradient."""

    def probabilities(self, crops: Tensor) -> dict[str, Tensor]:
        """The same as probabilities: float32 [n, classes], rows summing to 1."""


class FaceEmbedder(FaceReader, Protocol):
    """Tells faces apart."""

    def embed(self, crops: Tensor) -> Tensor:
        """crops [n, 3, crop_size, crop_size] in [-1, 1] -> unit-length float32 [n, d], d as in the face bank."""


class ImageEncoder(Protocol):
    """Features whose cosine says how alike two pictures are."""

    def __call__(self, images: Tensor) -> Tensor:
        """images [n, 3, h, w] in [-1, 1] -> features [n, d], with gradient."""


@dataclass(frozen=True)
class Preprocess:
    """Differentiable stand-in for an image processor: resize, then normalise."""

    size: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """images [n, 3, h, w] in [-1, 1] -> [n, 3, size, size], normalised."""
        resized = F.interpolate(images.float(), (self.size, self.size), mode="bilinear", antialias=True)
        mean, deviation = (resized.new_tensor(v)[:, None, None] for v in (self.mean, self.deviation))
        return ((resized + 1) / 2 - mean) / deviation


def load_preprocess(folder: Path) -> Preprocess:
    """Reads size, mean and deviation from a transformers image processor."""
    processor = AutoImageProcessor.from_pretrained(folder)
    size = processor.crop_size if getattr(processor, "crop_size", None) else processor.size
    return Preprocess(size["height"], tuple(processor.image_mean), tuple(processor.image_std))


@dataclass(frozen=True)
class Critics:
    """Everything the losses and the measures ask of an image. Bring your own: any object of these shapes will do.

    encoders: by name; the losses use them all, the measures those named "clip" and "dino".
    text_features: prompts -> CLIP text features [n, d], comparable with encoders["clip"].
    classifier is trained against; evaluator only measures. face_bank: unit embeddings [m, d].
    """

    detector: FaceDetector
    classifier: FaceClassifier
    evaluator: FaceClassifier
    face_embedder: FaceEmbedder
    face_bank: Tensor
    encoders: dict[str, ImageEncoder]
    text_features: Callable[[list[str]], Tensor]


def load_critics(folder: Path, device: torch.device) -> Critics:
    """Loads clip/, dino/, classifier/, classifier_eval/ and face_bank.safetensors below `folder`, frozen."""
    clip = CLIPModel.from_pretrained(folder / "clip", dtype=torch.float32, attn_implementation="eager")
    dino = AutoModel.from_pretrained(folder / "dino", dtype=torch.float32, attn_implementation="eager")
    classifier, evaluator = (FaceNetwork.from_pretrained(folder / name) for name in ("classifier", "classifier_eval"))
    for network in (clip, dino, classifier, evaluator):
        network.to(device).eval().requires_grad_(False)
    clip_view, dino_view = load_preprocess(folder / "clip"), load_preprocess(folder / "dino")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")

    def text_features(prompts: list[str]) -> Tensor:
        ids = tokenizer(prompts, padding=True, truncation=True, return_tensors="pt").input_ids.to(device)
        return clip.get_text_features(ids).pooler_output

    return Critics(
        detector=MtcnnDetector(device), classifier=classifier, evaluator=evaluator, face_embedder=classifier,
        face_bank=load_file(folder / "face_bank.safetensors")["embeddings"].float().to(device),
        encoders={"clip": lambda images: clip.get_image_features(clip_view(images)).pooler_output,
                  "dino": lambda images: dino(dino_view(images)).pooler_output},
        text_features=text_features)
