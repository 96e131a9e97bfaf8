"""Loads who judges pictures: face detector, classifier, and CLIP where it is at hand."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fairness_core.critics.built_in import FaceNetwork
from fairness_core.critics.classifiers import load_classifiers
from fairness_core.critics.encoders import load_clip
from fairness_core.critics.every_face import every_face
from fairness_core.critics.faces import Faces, MtcnnDetector
from fairness_core.critics.loading import read_choice
from fairness_core.critics.protocols import FaceClassifier, ImageEncoder
from fairness_core.pictures.judge_entries import BUILT_IN, CRITICS, FOLDER, JudgeEntry, critics_file, entry_called
from fairness_core.settings.attributes import ASSETS


@dataclass(frozen=True)
class Judge:
    """find: images [n, 3, h, w] in [-1, 1] -> every face of each, the largest first. clip and text_features measure how well
    a picture matches its prompt (CLIP-T); None: that is not measured. device: where all of them are.
    """

    entry: JudgeEntry
    find: Callable[[Tensor], list[Faces]]
    classifier: FaceClassifier
    device: torch.device
    clip: ImageEncoder | None = None
    text_features: Callable[[list[str]], Tensor] | None = None


def load_judge(name: str = BUILT_IN, device: torch.device | None = None) -> Judge:
    """A judge of `available_judges`. device: the built-in one needs no GPU; the others take one where there is one.

    Raises PicturesError for one that cannot be used here, CriticsError for a critics file whose models are not here.
    """
    entry = entry_called(name)
    if name == BUILT_IN:
        return built_in_judge(entry, device or torch.device("cpu"))
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    choice = read_choice(critics_file(os.environ[FOLDER]))
    chosen, purpose = (choice.evaluator, "evaluator") if name == CRITICS else (choice.classifier, "classifier")
    classifier = load_classifiers(chosen, choice.folder, purpose).to(device)
    detector = MtcnnDetector(device)
    return Judge(entry, lambda images: every_face(detector, images), classifier, device)


def built_in_judge(entry: JudgeEntry, device: torch.device, folder: Path = ASSETS / "mini") -> Judge:
    """The classifier that finetuning is not trained against."""
    detector = MtcnnDetector(device)
    classifier = FaceNetwork.from_pretrained(folder / "classifier_eval").to(device).eval().requires_grad_(False)
    clip = load_clip(folder / "clip", folder / "tokenizer").to(device)
    return Judge(entry, lambda images: every_face(detector, images), classifier, device, clip, clip.text_features)
