"""Who may judge, how it is told, and what the real ones see."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from fairness_core.critics.every_face import every_face
from fairness_core.critics.faces import MtcnnDetector
from fairness_core.pictures.judge_entries import BUILT_IN, CRITICS, FOLDER, available_judges, entry_called
from fairness_core.pictures.judges import load_judge
from fairness_core.pictures.judging import judge_pictures
from fairness_core.pictures.limits import PicturesError
from fairness_core.settings.attributes import ASSETS

PORTRAITS = Path(__file__).resolve().parents[2] / "portraits"


def test_who_may_judge_is_told_without_loading_anything(tmp_path):
    built_in, critics, trained = available_judges({})
    assert built_in.warning and not built_in.unavailable and "set up" in critics.unavailable == trained.unavailable
    (tmp_path / "critics.yaml").write_text((ASSETS / "critics.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    _, critics, trained = available_judges({FOLDER: str(tmp_path)})
    assert not critics.unavailable and "gender by crangana/trained-gender" in critics.label and not critics.warning
    assert "race by NikhilJaddu/fairface-race-vit" in trained.label
    _, critics, _ = available_judges({FOLDER: str(tmp_path / "gone")})
    assert "cannot be read" in critics.unavailable
    (tmp_path / "critics.yaml").write_text("5", encoding="utf-8")
    assert "trained on photographs" in available_judges({FOLDER: str(tmp_path)})[1].label


def test_an_unknown_judge_is_refused():
    with pytest.raises(PicturesError, match="choose among built-in, critics"):
        entry_called("nobody")


def test_critics_judge_by_the_classifiers_of_their_file(tmp_path, monkeypatch):
    """Small random classifiers of the same class in the place of the downloads; no other network of the file is needed."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor
    network = ViTForImageClassification(ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                                                  image_size=32, patch_size=16, id2label={0: "Female", 1: "Male"}))
    network.save_pretrained(tmp_path / "gender")
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "gender")
    chosen = {"gender": {"model": "gender", "labels": {"Female": "female", "Male": "male"}}}
    (tmp_path / "critics.yaml").write_text(yaml.safe_dump({
        "clip": "none", "dino": "none", "face_weights": "none", "portraits": "none", "classifier": chosen, "evaluator": chosen}),
        encoding="utf-8")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    judge = load_judge(CRITICS, torch.device("cpu"))
    found = list(judge_pictures([PORTRAITS / "000178.webp", PORTRAITS / "002505.webp"], judge))[-1]
    assert found.attributes == ("gender",) and found.faces_found == 2 and not found.judge.warning
    assert torch.isnan(torch.tensor(found.prompts[0].clip_text)).all()


@pytest.fixture(scope="module")
def portraits() -> torch.Tensor:
    pictures = [torch.from_numpy(np.array(Image.open(p).convert("RGB"))) for p in sorted(PORTRAITS.glob("*.webp"))]
    return torch.stack(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_every_face_is_found_the_largest_first(portraits):
    detector = MtcnnDetector(torch.device("cpu"))
    assert [len(faces.found) for faces in every_face(detector, portraits[:4])] == [1, 1, 1, 1]
    group = torch.full((1, 3, 128, 320), 0.4)
    group[:, :, :, 192:] = portraits[0]
    group[:, :, 14:114, 20:120] = torch.nn.functional.interpolate(portraits[1:2], (100, 100), mode="area")
    [faces] = every_face(detector, group)
    assert len(faces.found) == 2 and faces.boxes[0, 0] > 192 > faces.boxes[1, 2] and faces.landmarks.shape == (2, 5, 2)
    torch.testing.assert_close(faces.boxes[:1], detector(group).boxes)
    assert [len(one.found) for one in every_face(detector, torch.zeros(2, 3, 128, 128))] == [0, 0]
    assert [len(one.found) for one in every_face(detector, torch.zeros(2, 3, 16, 16))] == [0, 0]


def test_the_built_in_judge_perceives_the_portraits_and_measures_their_prompts():
    found = list(judge_pictures([PORTRAITS], load_judge(BUILT_IN)))[-1]
    assert found.pictures == found.faces_found == 12 and len(found.prompts) == 12
    assert found.foreign == 0 and set(found.attributes) == {"gender", "race", "age"}
    labels = {one.prompt: one.images.labels("gender")[0] for one in found.prompts}
    women = {"florist", "artist", "construction worker", "gardener", "dangerous person", "flight attendant"}
    assert sum((label == 0) == (prompt in women) for prompt, label in labels.items()) >= 9
    assert all(-1 <= one.clip_text[0] <= 1 for one in found.prompts)
