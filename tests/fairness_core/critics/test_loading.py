"""A folder of the user's becomes a set of critics that a finetune can be run with."""

import shutil
from dataclasses import replace

import pytest
import torch
import yaml
from helpers.fakes import FixedDetector, tiny_model
from PIL import Image

from fairness_core.critics import CriticsError, load_critics
from fairness_core.critics.classifiers import label_maps
from fairness_core.critics.loading import CriticsChoice, read_choice
from fairness_core.evaluation.compare import compare
from fairness_core.events import StepDone
from fairness_core.settings.attributes import ASSETS
from fairness_core.settings.config import FinetuneConfig
from fairness_core.training.finetune import finetune

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def critics(checkpoints):
    return load_critics(checkpoints, CPU)


def rewritten(checkpoints, tmp_path, **changes):
    data = yaml.safe_load((checkpoints / "critics.yaml").read_text(encoding="utf-8")) | changes
    (tmp_path / "critics.yaml").write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not None}),
                                           encoding="utf-8")
    return tmp_path / "critics.yaml"


def test_every_part_is_there_and_frozen(critics, images):
    assert set(critics.classifier.heads_config) == {"gender", "race"}
    assert set(critics.evaluator.heads_config) == {"gender"}
    assert critics.face_bank.shape == (3, 512)
    networks = [critics.classifier, critics.evaluator, critics.face_embedder, *critics.encoders.values(),
                *critics.measuring.values()]
    assert not any(p.requires_grad or n.training for n in networks for p in n.parameters())


def test_the_larger_clip_measures_and_the_smaller_one_trains(critics, images):
    assert critics.encoders["clip"](images).shape == (2, 16)
    assert critics.measure("clip", images).shape == critics.text_features(["a", "b"]).shape == (2, 24)
    assert torch.equal(critics.measure("dino", images), critics.encoders["dino"](images))


def test_weights_that_only_measure_wait_elsewhere(critics):
    on_device = {name: {p.device.type for p in encoder.parameters() if p.numel() > 1}
                 for name, encoder in (("larger", critics.measuring["clip"]), ("trained", critics.encoders["clip"]))}
    assert on_device == {"larger": {"meta"}, "trained": {"cpu"}}


def test_portraits_without_a_face_are_told(checkpoints, tmp_path, caplog):
    for name in ("facenet.safetensors", "clip", "dino", "gender", "race"):
        copy = shutil.copytree if (checkpoints / name).is_dir() else shutil.copy
        copy(checkpoints / name, tmp_path / name)
    shutil.copytree(checkpoints / "portraits", tmp_path / "portraits")
    Image.new("RGB", (64, 64)).save(tmp_path / "portraits" / "dark.png")
    load_critics(rewritten(checkpoints, tmp_path, measuring_clip=None), CPU)
    assert "No face found in dark.png: left out." in caplog.text


def test_a_finetune_and_a_comparison_run_with_them(critics, tmp_path):
    """The tiny model paints no faces: the detector is told where they are."""
    model = tiny_model(replace(critics, detector=FixedDetector()))
    config = FinetuneConfig(
        prompts=("a nurse",), marginals={"gender": {"female": 0.5, "male": 0.5}}, steps=1, images_per_prompt=2,
        sampling_steps=2, timesteps_per_update=1, lora_rank=2, film_strip_every=10)
    (done,) = (e for e in finetune(model, config, tmp_path) if isinstance(e, StepDone))
    assert done.faces_found == 2 and all(abs(value) < 100 for value in done.losses.values())
    (compared,) = compare(model, ["a nurse"], range(2), 0, None, sampling_steps=2, guidance_scale=2.0)
    assert set(compared.original.probabilities) == {"gender"} and abs(compared.clip_image - 1).max() < 1e-5


def test_a_folder_that_holds_the_file_or_the_file_itself(checkpoints):
    assert read_choice(checkpoints / "critics.yaml").folder == checkpoints


@pytest.mark.parametrize(("changes", "says"), [
    ({"dino": None}, "write dino: a name"),
    ({"dino": 3}, "write dino: a name"),
    ({"classifier": "gender"}, "write classifier: {attribute: model"),
    ({"clips": "clip"}, "unknown entry 'clips': choose among clip, dino"),
    ({"portraits": "../portraits"}, "portraits: .* must lie in"),
    ({"face_weights": "none.pt"}, "needs the weights of InceptionResnetV1"),
])
def test_a_file_that_cannot_be_used_is_refused(checkpoints, tmp_path, changes, says):
    shutil.copy(checkpoints / "facenet.safetensors", tmp_path)
    with pytest.raises(CriticsError, match=says):
        load_critics(rewritten(checkpoints, tmp_path, **changes), CPU)


@pytest.mark.parametrize("text", [None, "a: [", "- 1"])
def test_a_file_that_cannot_be_read(tmp_path, text):
    if text is not None:
        (tmp_path / "critics.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CriticsError, match="critics.yaml"):
        load_critics(tmp_path / "critics.yaml", CPU)


def test_the_shipped_file_can_be_read_and_says_what_is_missing(tmp_path):
    choice = read_choice(ASSETS / "critics.yaml")
    assert isinstance(choice, CriticsChoice)
    for entry in (choice.classifier, choice.evaluator):
        for attribute, model in entry.items():
            assert label_maps()[model.partition("@")[0]]["attribute"] == attribute
    shutil.copy(ASSETS / "critics.yaml", tmp_path)
    with pytest.raises(CriticsError, match="20180402-114759-vggface2.pt: facenet-pytorch's releases"):
        load_critics(tmp_path, CPU)
