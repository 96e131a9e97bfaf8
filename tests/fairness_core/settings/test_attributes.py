"""Attributes are data; a target is a distribution over their joint classes."""

import numpy as np
import pytest

from fairness_core.settings.attributes import AttributesError, TargetDistribution, load_attributes, parity
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.ratios import TargetError


def test_the_shipped_attributes():
    attributes = load_attributes()
    assert {name: a.class_names for name, a in attributes.items()} == {
        "gender": ("female", "male"), "race": ("wmelh", "asian", "black", "indian"), "age": ("young", "old")}
    for name, attribute in attributes.items():
        assert attribute.name == name and "erceived" in attribute.label
        colours = [c.colour for c in attribute.classes]
        assert all(len(c) == 7 and c[0] == "#" for c in colours) and len(set(colours)) == len(colours)
        assert len({c.pattern for c in attribute.classes}) == len(attribute.classes)  # told apart without colour too


def test_another_attribute_is_an_entry_in_a_file(tmp_path):
    path = tmp_path / "attributes.yaml"
    path.write_text("glasses:\n  label: Glasses\n  classes:\n    on: {label: On, colour: '#000000'}\n"
                    "    'off': {label: Off, colour: '#ffffff'}\n", encoding="utf-8")
    glasses = load_attributes(path)["glasses"]
    assert glasses.label == "Glasses" and len(glasses.classes) == 2


def test_attributes_of_ones_own_are_passed_on(tmp_path):
    path = tmp_path / "attributes.yaml"
    path.write_text("height:\n  label: Height\n  classes:\n    tall: {label: Tall, colour: '#000000'}\n"
                    "    small: {label: Small, colour: '#ffffff'}\n", encoding="utf-8")
    own, shares = load_attributes(path), {"height": {"tall": 0.25, "small": 0.75}}
    assert TargetDistribution.from_marginals(shares, own).marginal("height").tolist() == [0.25, 0.75]
    assert TargetDistribution.from_joint(["height"], [0.25, 0.75], attributes=own).names == ("height",)
    assert parity("height", attributes=own).joint.tolist() == [0.5, 0.5]
    config = FinetuneConfig(marginals=shares, targets_by_prompt={"a": {"height": {"tall": 1}}})
    assert config.target(attributes=own).names == ("height",)
    assert config.own_targets(own)["a"].joint.tolist() == [1, 0]
    with pytest.raises(TargetError, match="choose among gender, race, age"):
        config.target()
    with pytest.raises(TargetError, match="Unknown attribute 'gender': choose among height"):
        TargetDistribution.from_marginals({"gender": {"female": 1}}, own)


def test_nobody_changes_the_apps_attributes_for_all():
    with pytest.raises(TypeError):
        load_attributes()["height"] = load_attributes()["gender"]


@pytest.mark.parametrize("text", ["5", "- height", "height: 5", "height: {label: Height}", "height: {classes: {}}",
                                  "height: {label: Height, classes: {a: {label: A}}}", "height: {classes: [a, b]}",
                                  "height: {label: H, classes: {a: {label: A, colour: red, size: 3}}}", ""])
def test_a_file_of_anything_else_says_how_attributes_are_written(tmp_path, text):
    path = tmp_path / "attributes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AttributesError, match="attributes.yaml holds no attributes: write each as name:"):
        load_attributes(path)


def test_the_published_factors_of_the_shipped_attributes():
    assert {name: (a.image_factor, a.face_factor) for name, a in load_attributes().items()} == {
        "gender": (0.2, 0.2), "race": (0.6, 0.3), "age": (0.6, 0.3)}


@pytest.mark.parametrize(("entry", "says"), [
    ("image_factor: 1.5\n  classes: {a: {label: A, colour: '#000000'}, b: {label: B, colour: '#111111'}}",
     "image_factor of height is 1.5"),
    ("classes: {a: {label: A, colour: '#000000'}}", "height has 1 classes")])
def test_an_attribute_that_cannot_be_used(tmp_path, entry, says):
    path = tmp_path / "attributes.yaml"
    path.write_text(f"height:\n  label: Height\n  {entry}\n", encoding="utf-8")
    with pytest.raises(AttributesError, match=says):
        load_attributes(path)


def test_marginals_multiply_in_the_order_given():
    target = TargetDistribution.from_marginals(
        {"age": {"young": 0.75, "old": 0.25}, "gender": {"female": 0.5, "male": 0.5}})
    assert target.names == ("age", "gender")
    np.testing.assert_allclose(target.joint, [[0.375, 0.375], [0.125, 0.125]])
    np.testing.assert_allclose(target.marginal("age"), [0.75, 0.25])
    np.testing.assert_allclose(target.marginal("gender"), [0.5, 0.5])


def test_a_part_has_its_attributes_in_the_order_asked_for():
    target = TargetDistribution.from_joint(["gender", "age"], [[.1, .2], [.3, .4]])
    np.testing.assert_allclose(target.part(["age", "gender"]).joint, [[.1, .3], [.2, .4]])
    np.testing.assert_allclose(target.part(["age"]).joint, [.4, .6])
    assert parity("gender", "race", "age").part(["race", "age"]).joint.shape == (4, 2)
    with pytest.raises(KeyError):
        target.part(["race"])


def test_a_target_is_split_where_its_table_is_a_product():
    """Whatever the order of its attributes; a table rounded as files round it is still a product."""
    age, tied = np.array([0.75, 0.25]), np.array([[0.4, 0.1], [0.1, 0.4]])
    free = TargetDistribution.from_joint(["gender", "race", "age"], (np.full((2, 4, 1), 1 / 8) * age).round(7).tolist())
    assert [part.names for part in free.independent_parts()] == [("gender",), ("race",), ("age",)]
    pair = TargetDistribution.from_joint(["gender", "age", "race"], (tied[..., None] * np.full(4, .25)).tolist())
    assert [part.names for part in pair.independent_parts()] == [("gender", "age"), ("race",)]
    apart = TargetDistribution.from_joint(["gender", "race", "age"], (tied[:, None] * np.full((1, 4, 1), .25)).tolist())
    parts = apart.independent_parts()
    assert [part.names for part in parts] == [("gender", "age"), ("race",)]
    np.testing.assert_allclose(parts[0].joint, tied)
    all_tied = np.zeros((2, 4, 2))
    all_tied[0, 0, 0] = all_tied[1, 3, 1] = .5
    whole = TargetDistribution.from_joint(["gender", "race", "age"], all_tied.tolist())
    assert whole.independent_parts() == (whole,)


def test_a_joint_need_not_be_a_product():
    target = TargetDistribution.from_joint(["gender", "age"], [[0.5, 0.0], [0.0, 0.5]])
    np.testing.assert_allclose(target.marginal("gender"), [0.5, 0.5])
    np.testing.assert_allclose(target.marginal("age"), [0.5, 0.5])


def test_a_class_left_out_gets_nothing():
    target = TargetDistribution.from_marginals({"race": {"asian": 1.0}})
    assert target.marginal("race").tolist() == [0, 1, 0, 0]


def test_parity():
    target = parity("gender", "race")
    assert target.joint.shape == (2, 4)
    np.testing.assert_allclose(target.joint, 1 / 8)


def test_an_attribute_that_is_not_controlled_has_no_marginal():
    with pytest.raises(KeyError):
        parity("gender").marginal("race")


@pytest.mark.parametrize(("marginals", "says"), [
    ({}, "at least one attribute"),
    ({"height": {"tall": 1.0}}, "Unknown attribute 'height': choose among gender, race, age"),
    ({"gender": {"female": 0.5, "other": 0.5}}, "Unknown class 'other' of gender: choose among female, male"),
    ({"gender": {"female": 0.5, "male": 0.6}}, "gender sum to 110.0 %"),
    ({"gender": {"female": 50, "male": 50}}, "make them sum to 100 %"),
    ({"gender": {"female": 1.5, "male": -0.5}}, "between 0 and 100 %"),
    ({"gender": {"female": float("nan"), "male": 0.5}}, "between 0 and 100 %"),
    ({"gender": {"female": None, "male": 0.5}}, "between 0 and 100 %|numbers"),
    ({"gender": {"female": "half", "male": 0.5}}, "numbers"),
    ({"gender": {}}, "sum to 0.0 %")])
def test_marginals_that_cannot_be_used(marginals, says):
    with pytest.raises(TargetError, match=says):
        TargetDistribution.from_marginals(marginals)


@pytest.mark.parametrize(("names", "joint", "says"), [
    (["gender"], [0.5, 0.25, 0.25], "shape"), (["gender", "age"], [0.5, 0.5], "shape"),
    (["gender"], [0.5, 0.4], "sum to 90.0 %"), (["gender"], [1.2, -0.2], "between 0 and 100 %"),
    (["gender", "gender"], [[0.5, 0], [0, 0.5]], "twice"), ([], [], "at least one")])
def test_a_joint_table_that_cannot_be_used(names, joint, says):
    with pytest.raises(TargetError, match=says):
        TargetDistribution.from_joint(names, joint)


def test_percentages_rounded_by_hand_are_accepted():
    TargetDistribution.from_marginals({"race": {"wmelh": 0.3333, "asian": 0.3333, "black": 0.3333, "indian": 0.0}})
