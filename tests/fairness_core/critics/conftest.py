"""Small random checkpoints of the classes that real critics are of, saved as their authors save them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.small_checkpoints import save_classifier, save_clip, save_dino, save_facenet, save_resnet
from PIL import Image

from fairness_core.critics.faces import MtcnnDetector

PORTRAITS = Path(__file__).resolve().parents[2] / "portraits"


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> Path:
    """A user's folder: critics.yaml, and everything it names beside it."""
    folder = tmp_path_factory.mktemp("critics")
    save_clip(folder / "clip", width=16)
    save_clip(folder / "larger-clip", width=24, seed=1)
    save_dino(folder / "dino")
    save_classifier(folder / "gender", ["Female", "Male"])
    save_resnet(folder / "race", ["East Asian", "Indian", "Black", "White", "Middle Eastern", "Latino_Hispanic",
                                  "Southeast Asian"])
    save_facenet(folder / "facenet.safetensors")
    (folder / "portraits").mkdir()
    for name in ("000178", "002505", "002566"):
        Image.open(PORTRAITS / f"{name}.webp").convert("RGB").save(folder / "portraits" / f"{name}.png")
    labels = {"gender": "dima806/fairface_gender_image_detection", "race": "crangana/trained-race"}
    classifier = {name: {"model": name, "labels": labels[name]} for name in labels}
    (folder / "critics.yaml").write_text(yaml.safe_dump(dict(
        clip="clip", dino="dino", measuring_clip="larger-clip", classifier=classifier,
        evaluator={"gender": classifier["gender"]}, face_weights="facenet.safetensors", portraits="portraits")),
        encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Smooth pictures [2, 3, 48, 64] in [-1, 1]: antialiasing and rounding differ least on them."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 6, 8, generator=generator) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, (48, 64), mode="bicubic", align_corners=True).clamp(-1, 1)


@pytest.fixture(scope="session")
def detector() -> MtcnnDetector:
    return MtcnnDetector(torch.device("cpu"))


@pytest.fixture(scope="session")
def portraits() -> torch.Tensor:
    """[12, 3, 128, 128] in [-1, 1]."""
    rows = list(csv.DictReader((PORTRAITS / "labels.csv").open(encoding="utf-8")))
    pixels = np.stack([np.array(Image.open(PORTRAITS / row["file_name"]).convert("RGB")) for row in rows])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
