"""Image classifiers of the hub as classifiers of perceived attributes: their labels are mapped onto our classes."""

import re
from functools import cache
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn
from transformers import AutoModelForImageClassification

from fairness_core.critics.hub import load_network, locate
from fairness_core.critics.preprocess import Preprocess, load_preprocess
from fairness_core.critics.protocols import CriticsError
from fairness_core.hardware.waiting import constant
from fairness_core.settings.attributes import ASSETS, Attribute, load_attributes


class LabelClassifier(nn.Module):
    """One attribute, by a classifier with labels of its own.

    groups: the numbers of its labels that count for each class; the probability of a class is the sum of theirs.
    """

    def __init__(self, network: nn.Module, view: Preprocess, groups: list[list[int]]):
        super().__init__()
        self.network, self.view, self.groups = network, view, groups

    def forward(self, crops: Tensor) -> Tensor:
        """crops [n, 3, h, w] in [-1, 1] -> logits [n, classes], whose softmax sums the labels' probabilities."""
        logits = self.network(pixel_values=self.view(crops)).logits.float()
        groups = [constant(tuple(group), logits.device, torch.long) for group in self.groups]  # a list would be sent anew
        return torch.stack([logits[:, group].logsumexp(1) for group in groups], 1)


class AttributeClassifiers(nn.Module):
    """Several attributes, each by a classifier of its own (a FaceClassifier). It reads squares around the face."""

    aligned = False

    def __init__(self, classifiers: dict[str, LabelClassifier]):
        super().__init__()
        self.classifiers = nn.ModuleDict(classifiers)
        self.heads_config = {name: list(load_attributes()[name].class_names) for name in classifiers}
        self.crop_size = max(classifier.view.shorter_side for classifier in classifiers.values())

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """crops [n, 3, crop_size, crop_size] in [-1, 1] -> logits [n, classes] by attribute, with gradient."""
        return {name: classifier(crops) for name, classifier in self.classifiers.items()}

    def probabilities(self, crops: Tensor) -> dict[str, Tensor]:
        """Softmax of the logits, float32 [n, classes] by attribute."""
        return {name: logits.softmax(-1) for name, logits in self(crops).items()}


def load_classifiers(chosen: object, folder: Path, purpose: str) -> AttributeClassifiers:
    """chosen: attribute -> repository or folder, or {model: one of these, labels: label -> class, or the name of a
    map in assets/label_maps.yaml}. Raises CriticsError for what cannot be had or mapped.
    """
    known = load_attributes()
    if not isinstance(chosen, dict) or not chosen or not set(chosen) <= set(known):
        raise CriticsError(f"{purpose}: write `attribute: model` lines, the attributes being of {', '.join(known)}.")
    return AttributeClassifiers({name: load_classifier(known[name], entry, folder, purpose)
                                 for name, entry in chosen.items()}).eval()


def load_classifier(attribute: Attribute, entry: object, folder: Path, purpose: str) -> LabelClassifier:
    purpose = f"{purpose} of {attribute.name}"
    entry = entry if isinstance(entry, dict) else {"model": entry, "labels": entry}
    model, labels = str(entry.get("model", "")), entry.get("labels")
    if isinstance(labels, str):
        labels = label_maps().get(labels.partition("@")[0], {}).get("labels")
    if not isinstance(labels, dict):
        raise CriticsError(f"{purpose}: nothing says which classes the labels of {model} stand for. Write "
                           f"{{model: {model}, labels: {{their label: our class, ...}}}}.")
    checkpoint = locate(model, folder, purpose)
    network = load_network(AutoModelForImageClassification, checkpoint, purpose)
    return LabelClassifier(network, load_preprocess(checkpoint), group_labels(
        network.config.id2label, labels, attribute, f"{purpose}: {model}"))


def group_labels(id2label: dict[int, str], labels: dict[str, str], attribute: Attribute,
                 subject: str) -> list[list[int]]:
    """The numbers of the labels of each class, in the order of the attribute's classes.

    Labels are compared without capitals and punctuation ("Latino_Hispanic" is "latino hispanic").
    Raises CriticsError for a label without class, a class that does not exist, and a class without label.
    """
    classes = {plain(label): name for label, name in labels.items()}
    if unknown := set(classes.values()) - set(attribute.class_names):
        raise CriticsError(f"{subject}: {min(map(str, unknown))!r} is no class of {attribute.name}: map its labels "
                           f"onto {', '.join(attribute.class_names)}.")
    if unmapped := [label for label in id2label.values() if plain(label) not in classes]:
        raise CriticsError(f"{subject}: its label {unmapped[0]!r} is not mapped onto a class of {attribute.name} "
                           f"({', '.join(attribute.class_names)}).")
    groups = [[int(i) for i, label in id2label.items() if classes[plain(label)] == name]
              for name in attribute.class_names]
    if empty := [name for name, group in zip(attribute.class_names, groups) if not group]:
        raise CriticsError(f"{subject}: none of its labels stands for {attribute.name}: {empty[0]}.")
    return groups


def plain(label: object) -> str:
    return re.sub(r"[\W_]+", " ", str(label).casefold()).strip()


@cache
def label_maps(path: Path = ASSETS / "label_maps.yaml") -> dict[str, dict]:
    """Repository -> {attribute, labels, source, verified}."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
