"""What the U-Net learns from: views of portraits, captions drawn one by one or into pools, and who is shown."""

import csv
import random
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from fairness_core.settings.attributes import ASSETS
from mini_world import train_autoencoder, train_unet
from mini_world.caption_batches import draw, draw_part, fresh_batches, joined, pick, pooled_batches
from mini_world.captions import CaptionSampler
from mini_world.directions import directions, read
from mini_world.portraits import CLASSES, load_portraits
from mini_world.train_unet import NOISE, VelocityLoss, add_noise, encoded_views

PORTRAITS, TOKENIZER = Path(__file__).resolve().parents[1] / "portraits", ASSETS / "mini" / "tokenizer"
WIDTH, LAYERS = 192, 40


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """The tests' portraits, as an archive of the renderer's; every other one biased."""
    path = tmp_path_factory.mktemp("portraits") / "portraits.zip"
    with (PORTRAITS / "labels.csv").open(encoding="utf-8") as file:
        rows = [row | {"glasses": False, "smile": 0.5, "warm": 0.1, "yaw": 0.0, "biased": i % 2 == 0}
                for i, row in enumerate(csv.DictReader(file))]
    with zipfile.ZipFile(path, "w") as packed:
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        packed.writestr("metadata.csv", "\n".join(lines))
        for row in rows:
            packed.write(PORTRAITS / row["file_name"], row["file_name"])
    return path


@pytest.fixture(scope="module")
def rows(archive) -> list[dict]:
    return load_portraits(archive).rows


@pytest.fixture
def text_encoder() -> CLIPTextModel:
    return CLIPTextModel.from_pretrained(ASSETS / "mini" / "text_encoder", dtype=torch.float32).eval()


def test_noise_and_velocity_are_those_of_diffusers():
    schedule, t = DDPMScheduler(**NOISE), torch.tensor([3, 500, 999])
    clean, noise = torch.randn(2, 3, 8, 4, 4)
    noisy, velocity = add_noise(clean, noise, schedule.alphas_cumprod[t])
    assert torch.allclose(noisy, schedule.add_noise(clean, noise, t), atol=1e-6)
    assert torch.allclose(velocity, schedule.get_velocity(clean, noise, t), atol=1e-6)


def test_views_are_as_it_is_mirrored_and_others(archive):
    torch.manual_seed(0)
    autoencoder = train_autoencoder.build_autoencoder().eval()
    images = load_portraits(archive).images[:2]
    latents = encoded_views(autoencoder, images, count=4)
    assert latents.shape == (4, 2, 8, 16, 16) and latents.dtype == torch.float16
    for view, pictures in ((0, images), (1, images.flip(-1))):
        with torch.no_grad():
            expected = train_autoencoder.encode(autoencoder, pictures.float() / 127.5 - 1)
        assert torch.allclose(latents[view].float(), expected, atol=2e-3)
    assert not torch.allclose(latents[2], latents[0], atol=.01) and not torch.allclose(latents[2], latents[3], atol=.01)


def test_captions_to_be_told_name_a_concept_where_they_say_and_others_are_sometimes_empty(rows):
    sampler, tokenizer = CaptionSampler(rows), CLIPTokenizer.from_pretrained(TOKENIZER)
    told = draw(sampler, tokenizer, 30, random.Random(0), is_told=True)
    for row, ids, first in zip(told.rows.tolist(), told.tokens, told.first.tolist()):
        text = tokenizer.decode(ids[first:], skip_special_tokens=True)
        assert text.replace(" ", "").startswith(rows[row]["concept"].replace(" ", ""))
    plain = draw(sampler, tokenizer, 400, random.Random(0), is_told=False)
    empty = (plain.tokens[:, 1] == tokenizer.eos_token_id).float().mean()
    assert .05 < empty < .16 and not plain.first.any()


def test_a_part_of_a_pool_is_the_same_every_time_and_another_is_another(rows):
    one, again, other = (draw_part(rows, TOKENIZER, 20, True, seed) for seed in (0, 0, 1))
    assert torch.equal(one.tokens, again.tokens) and not torch.equal(one.tokens, other.tokens)
    assert len(joined([one, other]).rows) == 40


def test_what_is_picked_from_a_pool_belongs_together(rows, text_encoder):
    captions = draw(CaptionSampler(rows), CLIPTokenizer.from_pretrained(TOKENIZER), 12, random.Random(0), is_told=True)
    pool = captions.embedded(text_encoder, torch.float16)
    picked = pick(pool, 5)
    assert picked.tokens.dtype == torch.float32 and picked.tokens.shape == (5, LAYERS, WIDTH)
    for row, embeddings, first in zip(picked.rows, picked.tokens, picked.first):
        same = [i for i in range(12) if torch.equal(pool.tokens[i].float(), embeddings)]
        assert any(pool.rows[i] == row and pool.first[i] == first for i in same)


def test_three_of_four_are_told_who_is_shown_as_sure_as_is_right(rows, text_encoder):
    batch = fresh_batches(rows, TOKENIZER, text_encoder, 16)(0)
    assert len(batch.told.rows) == 12 and len(batch.plain.rows) == 4
    labels = {name: torch.tensor([classes.index(row[name]) for row in rows]) for name, classes in CLASSES.items()}
    loss = VelocityLoss(nn.Identity(), torch.zeros(1, len(rows), 8, 16, 16), labels, WIDTH)
    said = loss.tell_who(batch)
    logits = read(said[torch.arange(12), -1], directions(WIDTH))["gender"]
    right = logits.argmax(1) == labels["gender"][batch.told.rows]
    assert right.float().mean() > .5


@pytest.mark.slow
def test_workers_draw_pools_as_large_as_asked(rows, text_encoder):
    batch = pooled_batches(rows, TOKENIZER, text_encoder, 8, 400)(0)
    assert len(batch.told.rows) == 6 and len(batch.plain.rows) == 2
    assert batch.told.tokens.shape == (6, LAYERS, WIDTH) and batch.told.first.min() > 0


@pytest.mark.slow
def test_the_commands_train_an_autoencoder_and_then_a_unet(archive, tmp_path, monkeypatch):
    mini = tmp_path / "mini"
    for part in ("tokenizer", "text_encoder"):
        shutil.copytree(ASSETS / "mini" / part, mini / part)
    monkeypatch.setattr(torch, "compile", lambda unet: unet)
    monkeypatch.setattr(sys, "argv", ["train", "--portraits", str(archive), "--out", str(tmp_path), "--steps", "2",
                                      "--batch", "4"])
    train_autoencoder.main()
    latents = AutoencoderKL.from_pretrained(mini / "vae", dtype=torch.float32).encode(
        load_portraits(archive).images[:8].float() / 127.5 - 1).latent_dist.mode()
    assert latents.std().item() == pytest.approx(1, abs=.25)
    train_unet.main()
    assert UNet2DConditionModel.from_pretrained(mini / "unet").config.cross_attention_dim == WIDTH
    assert {"autoencoder.jsonl", "unet.jsonl"} <= {path.name for path in tmp_path.iterdir()}
