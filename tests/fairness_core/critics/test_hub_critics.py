"""Checkpoints by folder or repository: found, refused in words, never half loaded."""

import shutil

import pytest
from huggingface_hub import snapshot_download
from transformers import AutoModelForImageClassification, CLIPModel, Dinov2Model

from fairness_core.critics import CriticsError, hub
from fairness_core.critics.hub import inside, load_network, locate, model_type


def test_a_folder_beside_the_file_comes_before_a_repository(checkpoints):
    assert locate("clip", checkpoints, "CLIP") == checkpoints / "clip"


@pytest.mark.parametrize(("source", "says"), [
    ("facebook/dinov2-base", "is not on this machine.* licence .*: hf download facebook/dinov2-base "),
    ("owner/name@refs/pr/1", "owner/name@refs/pr/1 is not .* --revision refs/pr/1 --include '.*safetensors'"),
    ("no-such-folder", "no folder no-such-folder"),
    ("a/b/c", "no folder a/b/c"),
    ("../clip", "must lie in"),
    ("/etc", "must lie in"),
    ("", "must lie in"),
])
def test_what_cannot_be_had_is_told_in_words(checkpoints, source, says):
    with pytest.raises(CriticsError, match=f"DINO: .*{says}"):
        locate(source, checkpoints, "DINO")


def test_a_link_out_of_the_folder_is_refused(checkpoints, tmp_path):
    (tmp_path / "clip").symlink_to(checkpoints / "clip")
    with pytest.raises(CriticsError, match="must lie in"):
        inside(tmp_path, "clip", "CLIP")


def test_a_repository_in_the_cache_is_used_without_a_network(checkpoints, tmp_path, monkeypatch):
    """The layout that huggingface_hub keeps downloads in."""
    kept = tmp_path / "models--owner--clip"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40, encoding="utf-8")
    shutil.copytree(checkpoints / "clip", kept / "snapshots" / ("0" * 40))
    monkeypatch.setattr(hub, "snapshot_download", lambda *args, **options: snapshot_download(
        *args, cache_dir=tmp_path, **options))
    found = locate("owner/clip", checkpoints, "CLIP")
    assert found.is_relative_to(tmp_path) and model_type(found, "CLIP") == "clip"


@pytest.mark.parametrize(("damage", "says"), [
    (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
    (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "cannot be loaded"),
    (lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-8]),
     "cannot be loaded"),
    (lambda folder: (folder / "config.json").unlink(), "cannot be loaded"),
])
def test_a_damaged_checkpoint_says_so(checkpoints, tmp_path, damage, says):
    folder = shutil.copytree(checkpoints / "dino", tmp_path / "mine")
    damage(folder)
    with pytest.raises(CriticsError, match=f"DINO: mine {says}"):
        load_network(Dinov2Model, folder, "DINO")


@pytest.mark.parametrize(("kind", "name"), [(CLIPModel, "dino"), (AutoModelForImageClassification, "dino")])
def test_weights_that_would_be_drawn_at_random_are_refused(checkpoints, kind, name):
    with pytest.raises(CriticsError, match="cannot be loaded|lacks .*: it is a checkpoint of another kind"):
        load_network(kind, checkpoints / name, "CLIP")


def test_a_checkpoint_is_frozen(checkpoints):
    network = load_network(Dinov2Model, checkpoints / "dino", "DINO")
    assert not network.training and not any(p.requires_grad for p in network.parameters())
