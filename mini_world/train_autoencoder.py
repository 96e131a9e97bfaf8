"""The autoencoder: an encoder that learns the patch code, a decoder that paints from it.

python -m mini_world.train_autoencoder --portraits portraits.zip --out build   (about 30 minutes on one core)
"""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from mini_world.cli import arguments
from mini_world.loop import pick_device, train
from mini_world.patch_latents import PatchCode, fit_patch_code
from mini_world.portraits import as_floats, load_portraits, split

LATENT_CHANNELS = 8
BLOCK_CHANNELS = (16, 32, 64, 128)
LATENT_NOISE = 0.06  # the decoder will see a U-Net's latents, which are never exact
POSTERIOR_LOG_VARIANCE = -12.0


def build_autoencoder() -> AutoencoderKL:
    levels = len(BLOCK_CHANNELS)
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=LATENT_CHANNELS, block_out_channels=BLOCK_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1, norm_num_groups=8, sample_size=128, scaling_factor=1.0,
        use_quant_conv=False, use_post_quant_conv=False, mid_block_add_attention=False)


def fix_posterior_variance(autoencoder: AutoencoderKL) -> None:
    """The code is deterministic: the encoder's log-variance outputs are one small constant."""
    last = autoencoder.encoder.conv_out
    with torch.no_grad():
        last.weight[LATENT_CHANNELS:] = 0
        last.bias[LATENT_CHANNELS:] = POSTERIOR_LOG_VARIANCE


def patch_code(portraits) -> PatchCode:
    return fit_patch_code(as_floats(portraits.images[::3]), LATENT_CHANNELS)


def edges(images: Tensor) -> Tensor:
    return torch.cat([(images[..., 1:, 1:] - images[..., :-1, 1:]), (images[..., 1:, 1:] - images[..., 1:, :-1])], 1)


def painting_loss(painted: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Colour, edges, and edges of the half-size picture."""
    painted = painted.float()
    half, half_truth = F.avg_pool2d(painted, 2), F.avg_pool2d(truth, 2)
    return {"colour": F.l1_loss(painted, truth), "squared": 2 * F.mse_loss(painted, truth),
            "edges": 0.5 * F.l1_loss(edges(painted), edges(truth)),
            "half": 0.5 * F.l1_loss(edges(half), edges(half_truth))}


def crop(images: Tensor, latents: Tensor, latent_size: int) -> tuple[Tensor, Tensor]:
    y, x = torch.randint(0, 17 - latent_size, (2,)).tolist()
    return (images[..., 8 * y:8 * (y + latent_size), 8 * x:8 * (x + latent_size)],
            latents[..., y:y + latent_size, x:x + latent_size])


@torch.no_grad()
def psnr(painted: Tensor, truth: Tensor) -> float:
    """Mean over images of 10 log10(4 / mse), for images in [-1, 1]."""
    error = (painted.float().clamp(-1, 1) - truth).square().flatten(1).mean(1)
    return (10 * torch.log10(4 / error)).mean().item()


def main() -> None:
    args = arguments(steps=3000, batch=12)
    training, held_out = split(load_portraits(args.portraits))
    device, code = pick_device(), patch_code(training)
    torch.manual_seed(1)
    autoencoder = build_autoencoder().to(device)
    images = as_floats(training.images)
    latents = code.encode(images)
    print("deviation of each latent channel", latents.std((0, 2, 3)))

    def decoder_loss(step: int) -> dict[str, Tensor]:
        whole = step > 0.7 * args.steps
        chosen = torch.randint(len(images), (args.batch if not whole else args.batch // 2,))
        truth, code_latents = images[chosen].to(device), latents[chosen].to(device)
        if step % 2:
            truth = truth.flip(-1)
            code_latents = code.encode(truth.cpu()).to(device)
        if not whole:
            truth, code_latents = crop(truth, code_latents, 10)
        noisy = code_latents + LATENT_NOISE * torch.rand(len(truth), 1, 1, 1, device=device) * torch.randn_like(code_latents)
        return painting_loss(autoencoder.decoder(noisy), truth)

    def encoder_loss(step: int) -> dict[str, Tensor]:
        truth = images[torch.randint(len(images), (args.batch,))].to(device)
        found = autoencoder.encoder(truth)[:, :LATENT_CHANNELS].float()
        return {"code": F.mse_loss(found, code.encode(truth.cpu()).to(device))}

    def fit(name: str, part: nn.Module, loss, steps: int) -> None:
        part.load_state_dict(train(name, part, loss, steps=steps, learning_rate=1.5e-3, out=args.out))

    fit("decoder", autoencoder.decoder, decoder_loss, args.steps)
    fit("encoder", autoencoder.encoder, encoder_loss, args.steps // 8)
    fix_posterior_variance(autoencoder)
    autoencoder = autoencoder.cpu().float()
    truth = as_floats(held_out.images[:200])
    with torch.no_grad():
        print("psnr: patch code", psnr(code.decode(code.encode(truth)), truth),
              "decoder on exact codes", psnr(autoencoder.decode(code.encode(truth)).sample, truth),
              "autoencoder", psnr(autoencoder.decode(autoencoder.encode(truth).latent_dist.mode()).sample, truth))
    autoencoder.half().save_pretrained(args.out / "mini" / "vae")


if __name__ == "__main__":
    main()
