"""Latents that are learned: their scale, the views they are learned from, and what counts."""

import pytest
import torch

from mini_world.train_autoencoder import (FACE, FACE_WEIGHT, LATENT_CHANNELS, autoencoder_loss, build_autoencoder,
                                          encode, face_weights, fold_normalisation, painting_loss, psnr, views)


@pytest.fixture
def images() -> torch.Tensor:
    """Smooth pictures, uint8 [4, 3, 128, 128]."""
    small = torch.randint(0, 256, (4, 3, 9, 9), generator=torch.Generator().manual_seed(0)).float()
    return torch.nn.functional.interpolate(small, 128, mode="bilinear").round().byte()


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return build_autoencoder()


def test_folded_latents_are_the_same_but_of_mean_zero_and_unit_deviation(autoencoder, images):
    floats = images.float() / 127.5 - 1
    with torch.no_grad():
        before = encode(autoencoder, floats)
        fold_normalisation(autoencoder, images)
        after = encode(autoencoder, floats)
    assert after.shape == (4, LATENT_CHANNELS, 16, 16)
    assert torch.allclose(after.mean((0, 2, 3)), torch.zeros(LATENT_CHANNELS), atol=1e-4)
    assert torch.allclose(after.std((0, 2, 3)), torch.ones(LATENT_CHANNELS), atol=1e-4)
    expected = (before - before.mean((0, 2, 3), keepdim=True)) / before.std((0, 2, 3), keepdim=True)
    assert torch.allclose(after, expected, atol=1e-3)
    assert torch.allclose(autoencoder.encode(floats).latent_dist.mode(), after, atol=1e-5)
    assert autoencoder.encode(floats).latent_dist.std.max() < .01


def test_every_loss_reaches_both_halves(autoencoder, images):
    losses = autoencoder_loss(autoencoder, images.float() / 127.5 - 1, face_weights())
    assert set(losses) == {"colour", "squared", "edges", "half", "pooled", "spread"}
    encoder, decoder = autoencoder.encoder.conv_in.weight, autoencoder.decoder.conv_out.weight
    for name, loss in losses.items():
        reached = torch.autograd.grad(loss, [encoder, decoder], retain_graph=True, allow_unused=True)
        assert reached[0].abs().sum() > 0
        assert name == "spread" or reached[1].abs().sum() > 0


def test_views_are_the_chosen_pictures_mirrored_or_moved(images):
    torch.manual_seed(1)
    chosen = torch.tensor([2, 0] * 8)
    seen = views(images, chosen)
    assert seen.shape == (16, 3, 128, 128) and -1 <= seen.min() and seen.max() <= 1
    whole = images.float() / 127.5 - 1
    as_they_are = [any(torch.equal(view, picture) for picture in (whole[i], whole[i].flip(-1)))
                   for view, i in zip(seen, chosen.tolist())]
    assert 0 < sum(as_they_are) < 16

    def is_moved(view: torch.Tensor, picture: torch.Tensor) -> bool:
        inner = view[:, 8:-8, 8:-8]
        return any(torch.equal(inner, picture[:, y:y + 112, x:x + 112]) for y in range(17) for x in range(17))

    assert all(is_moved(view, whole[i]) or is_moved(view, whole[i].flip(-1)) for view, i in zip(seen, chosen.tolist()))


def test_an_error_in_the_face_counts_more():
    weights = face_weights()
    assert weights.mean().item() == pytest.approx(1)
    assert (weights[64, 64] / weights[0, 0]).item() == pytest.approx(FACE_WEIGHT)
    truth, in_the_face, beside = torch.zeros(3, 1, 3, 128, 128)
    in_the_face[FACE][..., 30:40, 20:30] = .5
    beside[..., 2:12, 2:12] = .5
    loss = lambda painted: sum(painting_loss(painted, truth, weights).values())
    assert loss(in_the_face) > 2 * loss(beside)
    assert psnr(in_the_face, truth) == pytest.approx(psnr(beside, truth))
