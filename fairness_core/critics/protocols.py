"""What the losses and the measures ask of the networks that look at images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from fairness_core.critics.faces import FaceDetector, FaceReader, Faces, crop_for
from fairness_core.errors import UserError
from fairness_core.settings.questions import Question


class CriticsError(UserError):
    """Critics that cannot be used; the message says what to do."""


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
class Critics:
    """Everything the losses and the measures ask of an image. Bring your own: any object of these shapes will do.

    encoders: by name, all of them used by the losses. measuring: encoders named "clip" and "dino" that only measure;
    None measures with those of the losses. text_features: prompts -> CLIP text features [n, d], comparable with the
    measuring "clip". classifier is trained against; evaluator only measures. face_bank: unit embeddings [m, d].
    measuring_faces: tells faces apart where that is only measured; None: the network of the losses. questions: what
    "clip" can be asked about a picture.
    """

    detector: FaceDetector
    classifier: FaceClassifier
    evaluator: FaceClassifier
    face_embedder: FaceEmbedder
    face_bank: Tensor
    encoders: dict[str, ImageEncoder]
    text_features: Callable[[list[str]], Tensor]
    measuring: dict[str, ImageEncoder] | None = None
    measuring_faces: FaceEmbedder | None = None
    questions: tuple[Question, ...] = ()

    def measure(self, encoder: str, images: Tensor) -> Tensor:
        """Features [n, d] of images [n, 3, h, w] in [-1, 1], by the encoder that measures."""
        return (self.measuring or self.encoders)[encoder](images)

    def tell_apart(self, images: Tensor, faces: Faces) -> Tensor:
        """What tells the faces of images [n, 3, h, w] apart: unit-length float32 [n, d], meaningful only where found."""
        embedder = self.measuring_faces or self.face_embedder
        return embedder.embed(crop_for(embedder, images, faces))

    @cached_property
    def answer_features(self) -> list[Tensor]:
        """CLIP's mean unit features [answers, d] of every question's answers, read once."""
        found = []
        for question in self.questions:
            texts = [text for texts in question.texts for text in texts]
            unit = functional.normalize(self.text_features(texts).float(), dim=-1)
            means = torch.stack([part.mean(0) for part in unit.split([len(texts) for texts in question.texts])])
            found.append(functional.normalize(means, dim=-1))
        return found
