"""The autoencoder: encoder and decoder learn together which latents to speak in.

python -m mini_world.train_autoencoder --portraits portraits.zip --out build   (times: mini_world/README.md)

What makes its latents easy to paint: each channel has mean 0 and deviation 1; they carry noise in training, so that
nothing is hidden in small differences; and averaged over 2 x 2 they decode to the half-size picture, so that their
coarse and fine parts mean what a picture's do (scale equivariance: Kouzelis et al., 2025).
"""

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional as F

from mini_world.cli import arguments
from mini_world.loop import pick_device, train
from mini_world.portraits import Portraits, as_floats, load_portraits, split, with_more

LATENT_CHANNELS = 8
BLOCK_CHANNELS = (16, 32, 64, 128)
LATENT_NOISE = 0.2  # the most, for latents of deviation 1: the decoder will see a U-Net's, which are never exact
POSTERIOR_LOG_VARIANCE = -12.0
MOST_MOVED = 8  # pixels
FACE = (..., slice(24, 100), slice(32, 96))  # of 128 x 128 pixels: where most faces are
FACE_WEIGHT = 2.5
POOLED_WEIGHT, SPREAD_WEIGHT = 0.25, 0.01
FOLDED_PORTRAITS, REPORTED_PORTRAITS, TOGETHER = 4096, 200, 64
HOW = {"cpu": {"steps": 4000, "batch": 12, "checkpoint_every": 100},
       "cuda": {"steps": 9200, "batch": 48, "checkpoint_every": 1000}}


def build_autoencoder() -> AutoencoderKL:
    levels = len(BLOCK_CHANNELS)
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENT_CHANNELS, block_out_channels=BLOCK_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1, norm_num_groups=8, sample_size=128, scaling_factor=1.0,
        use_quant_conv=False, use_post_quant_conv=False, mid_block_add_attention=False)


def face_weights() -> Tensor:
    """[128, 128], of mean 1: FACE_WEIGHT times as much where the face is."""
    weights = torch.ones(128, 128)
    weights[FACE] = FACE_WEIGHT
    return weights / weights.mean()


def views(images: Tensor, chosen: Tensor) -> Tensor:
    """The chosen ones of images uint8 [n, 3, h, w], each in half of the cases mirrored, and in half moved by up to
    MOST_MOVED pixels; [chosen, 3, h, w] in [-1, 1]."""
    batch, device = as_floats(images[chosen]), images.device
    count, _, height, width = batch.shape
    mirrored = torch.rand(count, 1, 1, 1, device=device) < 0.5
    padded = F.pad(torch.where(mirrored, batch.flip(-1), batch), (MOST_MOVED,) * 4, mode="reflect")
    moved = torch.randint(0, 2 * MOST_MOVED + 1, (2, count), device=device)
    top, left = torch.where(torch.rand(count, device=device) < 0.5, moved, MOST_MOVED)
    rows = top[:, None] + torch.arange(height, device=device)
    columns = left[:, None] + torch.arange(width, device=device)
    each = torch.arange(count, device=device)[:, None, None]
    return padded[each, :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def edges(images: Tensor) -> Tensor:
    return torch.cat([(images[..., 1:, 1:] - images[..., :-1, 1:]), (images[..., 1:, 1:] - images[..., 1:, :-1])], 1)


def painting_loss(painted: Tensor, truth: Tensor, where: Tensor) -> dict[str, Tensor]:
    """Colour and edges, weighted by `where` [h, w], and edges of the half-size picture."""
    error = painted - truth
    half, half_truth = F.avg_pool2d(painted, 2), F.avg_pool2d(truth, 2)
    return {"colour": (error.abs() * where).mean(), "squared": 2 * (error.square() * where).mean(),
            "edges": (edges(error).abs() * where[1:, 1:]).mean(),
            "half": 0.5 * F.l1_loss(edges(half), edges(half_truth))}


def encode(autoencoder: AutoencoderKL, images: Tensor) -> Tensor:
    """Latents float32 [n, channels, h / 8, w / 8] of images [n, 3, h, w] in [-1, 1], without the posterior's noise."""
    return autoencoder.encoder(images)[:, :LATENT_CHANNELS].float()


def autoencoder_loss(autoencoder: AutoencoderKL, truth: Tensor, where: Tensor) -> dict[str, Tensor]:
    """All losses of a batch [n, 3, 128, 128]: painting from noisy latents, and from averaged ones; unit deviation."""
    found = encode(autoencoder, truth)
    mean, deviation = found.mean((0, 2, 3), keepdim=True), found.std((0, 2, 3), keepdim=True)
    latents = (found - mean) / (deviation + 1e-4)
    noise = LATENT_NOISE * torch.rand(len(truth), 1, 1, 1, device=truth.device) * torch.randn_like(latents)
    few = max(1, len(truth) // 4)
    pooled = autoencoder.decoder(F.avg_pool2d(latents[:few], 2)).float()
    return {**painting_loss(autoencoder.decoder(latents + noise).float(), truth, where),
            "pooled": POOLED_WEIGHT * F.l1_loss(pooled, F.avg_pool2d(truth[:few], 2)),
            "spread": SPREAD_WEIGHT * (mean.square() + (deviation - 1).square()).mean()}


@torch.no_grad()
def fold_normalisation(autoencoder: AutoencoderKL, images: Tensor) -> None:
    """Makes the latents of images uint8 [n, 3, h, w] of mean 0 and deviation 1 a channel by the encoder's last layer,
    and the encoder's log-variance outputs one small constant: the code is deterministic."""
    found = torch.cat([encode(autoencoder, as_floats(part)) for part in images.split(TOGETHER)])
    mean, deviation = found.mean((0, 2, 3)), found.std((0, 2, 3))
    last = autoencoder.encoder.conv_out
    last.weight[:LATENT_CHANNELS] /= deviation[:, None, None, None]
    last.bias[:LATENT_CHANNELS] = (last.bias[:LATENT_CHANNELS] - mean) / deviation
    last.weight[LATENT_CHANNELS:] = 0
    last.bias[LATENT_CHANNELS:] = POSTERIOR_LOG_VARIANCE


@torch.no_grad()
def psnr(painted: Tensor, truth: Tensor) -> float:
    """Mean over images of 10 log10(4 / mse), for images in [-1, 1]."""
    error = (painted.float().clamp(-1, 1) - truth).square().flatten(1).mean(1)
    return (10 * torch.log10(4 / error)).mean().item()


@torch.no_grad()
def report(autoencoder: AutoencoderKL, held_out: Portraits, device: torch.device) -> dict[str, float]:
    """dB on held-out portraits: the whole picture, the face, and the whole from latents with noise of 0.1."""
    truth = as_floats(held_out.images[:REPORTED_PORTRAITS].to(device))
    latents = torch.cat([encode(autoencoder, part) for part in truth.split(TOGETHER)])
    painted, noisy = (torch.cat([autoencoder.decoder(part) for part in code.split(TOGETHER)])
                      for code in (latents, latents + 0.1 * torch.randn_like(latents)))
    return {"whole": psnr(painted, truth), "face": psnr(painted[FACE], truth[FACE]), "noisy": psnr(noisy, truth)}


def main() -> None:
    device = pick_device()
    how = HOW[device.type]
    args = arguments(steps=how["steps"], batch=how["batch"])
    training, held_out = split(load_portraits(args.portraits))
    images = with_more(training, args.more_portraits).images.to(device)
    torch.manual_seed(1)
    autoencoder = build_autoencoder().to(device, memory_format=torch.channels_last)
    where = face_weights().to(device)

    def step_loss(step: int) -> dict[str, Tensor]:
        chosen = torch.randint(len(images), (args.batch,), device=device)
        return autoencoder_loss(autoencoder, views(images, chosen).contiguous(memory_format=torch.channels_last), where)

    autoencoder.load_state_dict(train(
        "autoencoder", autoencoder, step_loss, steps=args.steps, learning_rate=1.5e-3, ema_decay=0.998, out=args.out,
        checkpoint_every=how["checkpoint_every"], graphed=True))
    fold_normalisation(autoencoder.eval(), images[:FOLDED_PORTRAITS])
    print("held-out portraits, dB:", {name: round(value, 2) for name, value in report(
        autoencoder, held_out, device).items()})
    autoencoder.cpu().half().save_pretrained(args.out / "mini" / "vae")


if __name__ == "__main__":
    main()
