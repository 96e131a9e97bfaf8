"""The face network: heads, probabilities, embedding, and a folder it survives."""

import json

import pytest
import torch
from helpers.fakes import tiny_face_network

from fairness_core.critics.built_in import FaceNetwork
from fairness_core.settings.attributes import load_attributes


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_probabilities_sum_to_one_for_every_attribute(crops):
    probabilities = tiny_face_network().probabilities(crops)
    assert list(probabilities) == list(load_attributes())
    for name, attribute in load_attributes().items():
        assert probabilities[name].shape == (5, len(attribute.classes))
        torch.testing.assert_close(probabilities[name].sum(-1), torch.ones(5))


def test_embeddings_have_unit_length_and_carry_gradient(crops):
    crops.requires_grad_()
    embeddings = tiny_face_network().embed(crops)
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(5))
    embeddings[0, 0].backward()
    assert crops.grad[0].abs().sum() > 0 and crops.grad[1:].abs().sum() == 0


def test_temperature_softens_the_same_answers(crops):
    network = tiny_face_network()
    sharp = network.probabilities(crops)["race"]
    network.temperature = 4.0
    soft = network.probabilities(crops)["race"]
    assert (soft.max(-1).values < sharp.max(-1).values).all()
    assert torch.equal(soft.argmax(-1), sharp.argmax(-1))


def test_save_and_load(tmp_path, crops):
    network = tiny_face_network()
    network.temperature = 1.5
    network.save_pretrained(tmp_path / "new" / "classifier")
    loaded = FaceNetwork.from_pretrained(tmp_path / "new" / "classifier")
    assert not loaded.training
    assert (loaded.heads_config, loaded.crop_size, loaded.width, loaded.temperature) == (
        network.heads_config, network.crop_size, network.width, 1.5)
    for name, values in network.probabilities(crops).items():  # weights are kept in half precision
        torch.testing.assert_close(loaded.probabilities(crops)[name], values, atol=1e-3, rtol=0)
    loaded.save_pretrained(tmp_path / "again")
    again = FaceNetwork.from_pretrained(tmp_path / "again")
    assert all(torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), again.state_dict().values()))


def test_a_folder_without_classifier(tmp_path):
    with pytest.raises(FileNotFoundError):
        FaceNetwork.from_pretrained(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path):
    tiny_face_network().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"width": 8}), encoding="utf-8")
    with pytest.raises(RuntimeError, match="size mismatch"):
        FaceNetwork.from_pretrained(tmp_path)
