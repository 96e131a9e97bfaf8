"""Classifiers of others: many labels onto our classes, refused where that is not told."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AutoImageProcessor, AutoModelForImageClassification

from fairness_core.critics import CriticsError
from fairness_core.critics.classifiers import LabelClassifier, group_labels, label_maps, load_classifiers
from fairness_core.settings.attributes import load_attributes

FAIRFACE = "crangana/trained-race"
CHOSEN = {"gender": {"model": "gender", "labels": {"FEMALE": "female", "male": "male"}},
          "race": {"model": "race", "labels": FAIRFACE}}


@pytest.fixture(scope="module")
def classifiers(checkpoints):
    return load_classifiers(CHOSEN, checkpoints, "classifier")


def test_probabilities_of_a_class_are_the_sum_of_its_labels(classifiers, checkpoints, images):
    """Against the checkpoint as transformers runs it."""
    crops = images[..., :48]
    pixels = list(((crops + 1) * 127.5).round().to(torch.uint8))
    for name, labels in (("gender", {"Female": "female", "Male": "male"}), ("race", label_maps()[FAIRFACE]["labels"])):
        stock = AutoModelForImageClassification.from_pretrained(checkpoints / name).eval()
        inputs = AutoImageProcessor.from_pretrained(checkpoints / name)(pixels, return_tensors="pt")
        with torch.no_grad():
            theirs = stock(**inputs).logits.softmax(-1)
        ours = classifiers.probabilities(crops)[name]
        for column, class_name in enumerate(load_attributes()[name].class_names):
            members = [i for i, label in stock.config.id2label.items() if labels[label] == class_name]
            torch.testing.assert_close(ours[:, column], theirs[:, members].sum(1), atol=5e-3, rtol=0)
        torch.testing.assert_close(ours.sum(1), torch.ones(2))


def test_it_is_a_face_classifier_with_gradient(classifiers, images):
    assert classifiers.heads_config == {name: list(load_attributes()[name].class_names) for name in ("gender", "race")}
    assert classifiers.crop_size == 32 and not classifiers.aligned  # the race classifier looks at 28 / 0.875 pixels
    crops = images[..., :48].clone().requires_grad_()
    classifiers(crops)["race"][0, 1].backward()
    assert crops.grad[0].abs().sum() > 0 and crops.grad[1].abs().sum() == 0


def test_logits_far_apart_stay_finite():
    network = nn.Module()
    network.forward = lambda pixel_values: SimpleNamespace(logits=pixel_values)
    classify = LabelClassifier(network, lambda crops: crops, [[0, 2], [1]])
    probabilities = classify(torch.tensor([[200.0, -200.0, 199.0], [-300.0, 300.0, -300.0]])).softmax(-1)
    torch.testing.assert_close(probabilities, torch.eye(2))


@pytest.mark.parametrize(("labels", "says"), [
    ({"Female": "female"}, "its label 'Male' is not mapped onto a class of gender"),
    ({"Female": "female", "Male": "woman"}, "'woman' is no class of gender"),
    ({"Female": "female", "Male": None}, "'None' is no class"),
    ({"Female": "male", "Male": "male"}, "none of its labels stands for gender: female"),
    ("a map that is not there", "nothing says which classes the labels of gender stand for"),
    (3, "nothing says"),
])
def test_an_incomplete_map_is_refused(checkpoints, labels, says):
    with pytest.raises(CriticsError, match=f"classifier of gender.*{says}"):
        load_classifiers({"gender": {"model": "gender", "labels": labels}}, checkpoints, "classifier")


@pytest.mark.parametrize(("chosen", "says"), [
    ({}, "attribute: model"), (["gender"], "attribute: model"), ({"height": "gender"}, "attribute: model"),
    ({"gender": "gender"}, "nothing says which classes"), ({"gender": {"labels": {}}}, "must lie in"),
    ({"gender": {"model": "dino", "labels": {}}}, "checkpoint of another kind|cannot be loaded"),
    ({"gender": "dima806/fairface_gender_image_detection"}, "is not on this machine"),
    ({"gender": "crangana/trained-gender@refs/pr/1"}, "is not on this machine"),
])
def test_a_choice_that_cannot_be_used_is_refused(checkpoints, chosen, says):
    with pytest.raises(CriticsError, match=says):
        load_classifiers(chosen, checkpoints, "classifier")


def test_capitals_and_punctuation_of_labels_do_not_matter():
    age = load_attributes()["age"]
    assert group_labels({0: "0_2", 1: "MORE THAN 70"}, {"0-2": "young", "more than 70": "old"}, age, "it") == [[0], [1]]


@pytest.mark.parametrize("name", label_maps())
def test_the_shipped_maps_reach_every_class(name):
    entry = label_maps()[name]
    attribute = load_attributes()[entry["attribute"]]
    groups = group_labels(dict(enumerate(entry["labels"])), entry["labels"], attribute, name)
    assert sorted(i for group in groups for i in group) == list(range(len(entry["labels"])))
    assert isinstance(entry["verified"], bool) and len(entry["source"]) > 20
    assert len(entry["labels"]) == {"gender": 2, "race": 7, "age": 9}[attribute.name]
