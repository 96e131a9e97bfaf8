"""The U-Net: denoises the autoencoder's latents under captions; biased rows are never told who they show.

python -m mini_world.train_unet --portraits portraits.zip --out build   (times: mini_world/README.md; needs the output
of train_clip and train_autoencoder, on a CPU also a C++ compiler)
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from mini_world.augment import random_views
from mini_world.caption_batches import CaptionBatch, fresh_batches, pooled_batches
from mini_world.cli import arguments
from mini_world.directions import believable_logits, directions, write
from mini_world.loop import pick_device, train
from mini_world.portraits import CLASSES, as_floats, load_portraits, split, with_more
from mini_world.train_autoencoder import LATENT_CHANNELS, TOGETHER, encode

NOISE = dict(num_train_timesteps=1000, beta_start=0.0001, beta_end=0.02, beta_schedule="linear",
             prediction_type="v_prediction")
SNR_CAP = 5.0         # min-SNR weights (Hang et al., ICCV 2023) for little noise; much noise, where it is decided who is
                      # shown, counts in full
FACE_ROWS, FACE_COLUMNS = slice(3, 12), slice(4, 12)  # of 16 x 16 latents: where most faces are
FACE_WEIGHT = 3.0     # of an error there: it is in the face that one sees who is shown
VIEWS = 8             # of each portrait: as it is, in a mirror, and moved and scaled a little
VIEW_ZOOM, VIEW_SHIFT = (0.94, 1.06), 0.05
HOW = {"cpu": {"steps": 15000, "batch": 48, "learning_rate": 8e-4, "ema_decay": 0.998, "checkpoint_every": 100},
       "cuda": {"steps": 10760, "batch": 512, "learning_rate": 1.2e-3, "ema_decay": 0.9995, "checkpoint_every": 1000}}


def build_unet(text_width: int, start_from: Path | None = None) -> UNet2DConditionModel:
    """Attention only at 8 x 8 and 4 x 4: at 16 x 16 it costs more than all the convolutions. With the weights of the
    trained U-Net in the folder `start_from`, if any."""
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, block_out_channels=(64, 128, 192),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1, cross_attention_dim=text_width, attention_head_dim=4, norm_num_groups=16)
    if start_from:
        unet.load_state_dict(UNet2DConditionModel.from_pretrained(start_from, dtype=torch.float32).state_dict())
    return unet


@torch.no_grad()
def encoded_views(autoencoder: AutoencoderKL, images: Tensor, count: int = VIEWS) -> Tensor:
    """Latents float16 [count, n, channels, 16, 16] of images uint8 [n, 3, 128, 128]: as they are, in a mirror, and the
    other views moved and scaled at random; on the autoencoder's device."""
    device = autoencoder.device
    views = []
    for view in range(count):
        parts = []
        for part in images.split(TOGETHER):
            seen = as_floats(part.to(device))
            seen = seen.flip(-1) if view % 2 else seen
            if view > 1:
                seen = random_views(seen, seen.shape[-1], zoom=VIEW_ZOOM, shift=VIEW_SHIFT, degrees=0, colour=0,
                                    flip=False, mode="bicubic")
            parts.append(encode(autoencoder, seen).half())
        views.append(torch.cat(parts))
    return torch.stack(views)


def timestep_weights(schedule: DDPMScheduler) -> Tensor:
    """What an error counts at each timestep, [1000]."""
    snr = schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    return (SNR_CAP / (snr + 1)).clamp(max=1)


def face_weights() -> Tensor:
    """[16, 16], of mean 1: FACE_WEIGHT times as much where the face is."""
    weights = torch.ones(16, 16)
    weights[FACE_ROWS, FACE_COLUMNS] = FACE_WEIGHT
    return weights / weights.mean()


class VelocityLoss:
    """How far a U-Net's velocities are off, on a batch of captions; all it needs is kept on the latents' device."""

    def __init__(self, unet: nn.Module, latents: Tensor, labels: dict[str, Tensor], text_width: int):
        """latents: [views, portraits, channels, 16, 16]; labels: attribute -> class index [portraits]."""
        device, schedule = latents.device, DDPMScheduler(**NOISE)
        self.unet, self.latents = unet, latents
        self.labels = {name: of.to(device) for name, of in labels.items()}
        self.who, self.where = directions(text_width).to(device), face_weights().to(device)
        self.signal = schedule.alphas_cumprod.to(device)
        self.weights = timestep_weights(schedule).to(device)

    def __call__(self, batch: CaptionBatch) -> dict[str, Tensor]:
        embeddings = torch.cat([self.tell_who(batch), batch.plain.tokens])
        rows = torch.cat([batch.told.rows, batch.plain.rows])
        device, count = rows.device, len(rows)
        clean = self.latents[torch.randint(len(self.latents), (count,), device=device), rows].float()
        noise, t = torch.randn_like(clean), torch.randint(len(self.signal), (count,), device=device)
        noisy, target = add_noise(clean, noise, self.signal[t])
        found = self.unet(noisy.contiguous(memory_format=torch.channels_last), t, embeddings).sample.float()
        return {"velocity": (((found - target).square() * self.where).mean((1, 2, 3)) * self.weights[t]).mean()}

    def tell_who(self, batch: CaptionBatch) -> Tensor:
        """The embeddings of neutral captions, saying along `who` from the concept on whom their portraits show."""
        shown = {name: of[batch.told.rows] for name, of in self.labels.items()}
        return write(batch.told.tokens, self.who, believable_logits(shown), batch.told.first)


def add_noise(clean: Tensor, noise: Tensor, signal: Tensor) -> tuple[Tensor, Tensor]:
    """(noisy latents, their velocity), both [n, c, h, w]; signal: what is left of its variance, [n]. As diffusers'
    schedulers do it, without leaving the device."""
    kept, lost = (share.sqrt()[:, None, None, None] for share in (signal, 1 - signal))
    return kept * clean + lost * noise, kept * noise - lost * clean


def main() -> None:
    device = pick_device()
    how = HOW[device.type]
    args = arguments(steps=how["steps"], batch=how["batch"], pool=600_000)
    training = with_more(split(load_portraits(args.portraits))[0], args.more_portraits)
    folder, on_gpu = args.out / "mini", device.type == "cuda"
    parts = {"dtype": torch.float32}
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", **parts).to(device).eval()
    torch.manual_seed(2)
    latents = encoded_views(AutoencoderKL.from_pretrained(folder / "vae", **parts).to(device).eval(), training.images)
    draw_from = training.rows, folder / "tokenizer", text_encoder, args.batch
    batch = pooled_batches(*draw_from, args.pool) if on_gpu else fresh_batches(*draw_from)
    width = text_encoder.config.hidden_size
    unet = build_unet(width, args.start_from).to(device, memory_format=torch.channels_last)
    if not on_gpu:  # there the plain one is faster
        unet.set_attn_processor(AttnProcessor())
    # Compiling takes half a minute to four; a step then takes a third less time. A graph needs none of it.
    loss = VelocityLoss(unet if on_gpu else torch.compile(unet), latents,
                        {name: training.labels(name) for name in CLASSES}, width)
    unet.load_state_dict(train(
        "unet", unet, lambda step: loss(batch(step)), steps=args.steps, learning_rate=how["learning_rate"], warmup=150,
        ema_decay=how["ema_decay"], checkpoint_every=how["checkpoint_every"], out=args.out, graphed=True))
    unet.half().save_pretrained(folder / "unet")


if __name__ == "__main__":
    main()
