"""CLIP and DINOv2 from folders: the features of transformers itself, with gradient."""

import pytest
import torch
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel, Dinov2Model

from fairness_core.critics import CriticsError
from fairness_core.critics.encoders import load_clip, load_pooled

PROMPTS = ["a photo of a nurse", "a judge"]


def as_pixels(images, folder):
    pixels = list(((images + 1) * 127.5).round().to(torch.uint8))
    return AutoImageProcessor.from_pretrained(folder)(pixels, return_tensors="pt").pixel_values


def test_clip_sees_and_reads_as_transformers_does(checkpoints, images):
    clip, stock = load_clip(checkpoints / "clip"), CLIPModel.from_pretrained(checkpoints / "clip").eval()
    with torch.no_grad():
        expected = stock.get_image_features(as_pixels(images, checkpoints / "clip")).pooler_output
        torch.testing.assert_close(clip(images), expected, atol=0.02, rtol=0.02)
        tokens = AutoTokenizer.from_pretrained(checkpoints / "clip")(PROMPTS, padding=True, return_tensors="pt")
        expected = stock.get_text_features(**tokens).pooler_output
        torch.testing.assert_close(clip.text_features(PROMPTS), expected)
        assert clip.text_features(["x " * 100]).shape == (1, 16)  # cut to what it reads


def test_dino_sees_as_transformers_does(checkpoints, images):
    stock = Dinov2Model.from_pretrained(checkpoints / "dino").eval()
    with torch.no_grad():
        expected = stock(as_pixels(images, checkpoints / "dino")).pooler_output
        torch.testing.assert_close(load_pooled(checkpoints / "dino")(images), expected, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(("load", "name"), [(load_clip, "clip"), (load_pooled, "dino"), (load_pooled, "race")])
def test_the_gradient_reaches_the_picture(checkpoints, images, load, name):
    """By finite differences along one direction."""
    encode, moved = load(checkpoints / name), images.clone().requires_grad_()
    weights = torch.randn(encode(images).shape, generator=torch.Generator().manual_seed(1))

    def score(pictures):
        return (encode(pictures) * weights).sum()

    score(moved).backward()
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        slope = (score(images + 1e-2 * direction) - score(images - 1e-2 * direction)) / 2e-2
    assert slope.abs() > 1e-3
    torch.testing.assert_close((moved.grad * direction).sum(), slope, rtol=0.03, atol=1e-3)


def test_other_kinds_of_checkpoints_are_refused(checkpoints, images, tmp_path):
    with pytest.raises(CriticsError, match="dino is a dinov2"):
        load_clip(checkpoints / "dino")
    with pytest.raises(CriticsError, match="no transformers checkpoint"):
        load_clip(tmp_path)
    with pytest.raises(CriticsError, match="has no tokenizer"):
        load_clip(checkpoints / "clip", checkpoints / "portraits")
