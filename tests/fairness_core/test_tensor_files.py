"""State dicts of others: read without running anything, refused in words however they are damaged."""

import random

import pytest
import torch
from safetensors.torch import save_file

from fairness_core.tensor_files import TensorFileError, read_state_dict

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(2)}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_tensors_come_back(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    if suffix == ".safetensors":
        save_file(TENSORS, path)
    else:
        torch.save({"a": torch.nn.Parameter(TENSORS["a"]), "b": TENSORS["b"]}, path)
    found = read_state_dict(path)
    assert all(torch.equal(found[name], value) and not found[name].requires_grad for name, value in TENSORS.items())


def test_files_of_torch_before_1_6_are_read(tmp_path):
    torch.save(TENSORS, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(read_state_dict(tmp_path / "old.pt")["a"], TENSORS["a"])


@pytest.mark.parametrize("zipped", [True, False])
def test_no_damage_gets_out_as_anything_but_words(tmp_path, zipped):
    path = tmp_path / "damaged.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    whole, chance, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 2, 5])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[:chance.randrange(len(content))] if chance.random() < 0.3 else content)
        try:
            read_state_dict(path)
        except TensorFileError as error:
            refused += path.name in str(error)
    assert refused > 100


def test_a_pickle_by_a_safe_name_is_refused(tmp_path):
    torch.save(TENSORS, tmp_path / "pickle.safetensors")
    with pytest.raises(TensorFileError, match="not a whole safetensors file"):
        read_state_dict(tmp_path / "pickle.safetensors")
    with pytest.raises(TensorFileError, match="There is no file none.pt"):
        read_state_dict(tmp_path / "none.pt")
    with pytest.raises(TensorFileError, match="not a whole"):
        read_state_dict(tmp_path)
