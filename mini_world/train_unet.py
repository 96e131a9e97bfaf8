"""The U-Net: denoises patch-code latents under captions; biased rows are never told who they show.

python -m mini_world.train_unet --portraits portraits.zip --out build   (80 minutes to two and a half hours
on two cores; needs a C++ compiler and train_clip's output)
"""

import random
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from mini_world.captions import CaptionSampler
from mini_world.cli import arguments
from mini_world.directions import believable_logits, directions, first_tokens, write
from mini_world.loop import pick_device, train
from mini_world.patch_latents import PatchCode
from mini_world.portraits import Portraits, as_floats, load_portraits, split, with_more
from mini_world.train_autoencoder import LATENT_CHANNELS, patch_code

NOISE = dict(num_train_timesteps=1000, beta_start=0.0001, beta_end=0.02, beta_schedule="linear",
             prediction_type="v_prediction")
EMPTY_CAPTIONS = 0.1  # what classifier-free guidance needs
TOLD_WHO = 0.75       # share of portraits that anyone of the concept may be on, told by the embedding alone
SNR_CAP = 5.0         # min-SNR weights (Hang et al., ICCV 2023) for little noise; much noise, where it is decided who is
                      # shown, counts in full
FACE_ROWS, FACE_COLUMNS = slice(3, 12), slice(4, 12)  # of 16 x 16 latents: where most faces are
FACE_WEIGHT = 3.0     # of an error there: it is in the face that one sees who is shown


def build_unet(text_width: int, start_from: Path | None = None) -> UNet2DConditionModel:
    """Attention only at 8 x 8 and 4 x 4: at 16 x 16 it costs more than all the convolutions. With the weights of the
    trained U-Net in the folder `start_from`, if any."""
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, block_out_channels=(64, 128, 192),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1, cross_attention_dim=text_width, attention_head_dim=4, norm_num_groups=16)
    unet.set_attn_processor(AttnProcessor())
    if start_from:
        unet.load_state_dict(UNet2DConditionModel.from_pretrained(start_from, dtype=torch.float32).state_dict())
    return unet


def encoded(portraits: Portraits, code: PatchCode) -> Tensor:
    """Latents [2, n, channels, 16, 16]: as they are, and seen in a mirror."""
    images = as_floats(portraits.images)
    return torch.stack([code.encode(images), code.encode(images.flip(-1))])


def tell_who(embeddings: Tensor, rows: list[dict], captions: list[str], tokenizer: CLIPTokenizer, who: Tensor,
             rng: random.Random) -> Tensor:
    """The embeddings of neutral captions, saying along `who` from the concept on whom their portraits' rows show."""
    logits = torch.tensor([believable_logits(row, rng) for row in rows], device=who.device)
    first = first_tokens(tokenizer, captions, [row["concept"] for row in rows])
    return write(embeddings, who, logits, first.to(who.device))


def timestep_weights(schedule: DDPMScheduler) -> Tensor:
    """What an error counts at each timestep, [1000]."""
    snr = schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    return (SNR_CAP / (snr + 1)).clamp(max=1)


def face_weights() -> Tensor:
    """[16, 16], of mean 1: FACE_WEIGHT times as much where the face is."""
    weights = torch.ones(16, 16)
    weights[FACE_ROWS, FACE_COLUMNS] = FACE_WEIGHT
    return weights / weights.mean()


def main() -> None:
    args = arguments(steps=15000, batch=48)
    training, _ = split(load_portraits(args.portraits))
    folder, device = args.out / "mini", pick_device()
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).to(device).eval()
    code = patch_code(training)
    training = with_more(training, args.more_portraits)
    latents = encoded(training, code)
    sampler = CaptionSampler(training.rows)
    torch.manual_seed(2)
    unet = build_unet(text_encoder.config.hidden_size, args.start_from)
    unet = unet.to(device, memory_format=torch.channels_last)
    schedule, who = DDPMScheduler(**NOISE), directions(text_encoder.config.hidden_size).to(device)
    weights, where = timestep_weights(schedule), face_weights().to(device)
    compiled = torch.compile(unet)  # a step takes a third less time; compiling takes half a minute to four

    def step_loss(step: int) -> dict[str, Tensor]:
        rng = random.Random(step)
        told = int(args.batch * TOLD_WHO)
        drawn = [sampler.draw_anyone(rng) if k < told else sampler.draw(rng) for k in range(args.batch)]
        captions = ["" if rng.random() < EMPTY_CAPTIONS and k >= told else c for k, (_, c) in enumerate(drawn)]
        ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids.to(device)
        with torch.no_grad():
            embeddings = text_encoder(ids).last_hidden_state
            rows = [training.rows[i] for i, _ in drawn[:told]]
            said = tell_who(embeddings[:told], rows, captions[:told], tokenizer, who, rng)
            embeddings = torch.cat([said, embeddings[told:]])
        clean = latents[torch.randint(2, (args.batch,)), [i for i, _ in drawn]].to(device)
        noise, t = torch.randn_like(clean), torch.randint(1000, (args.batch,))
        noisy = schedule.add_noise(clean, noise, t)
        target = schedule.get_velocity(clean, noise, t)
        found = compiled(noisy.to(memory_format=torch.channels_last), t.to(device), embeddings).sample.float()
        return {"velocity": (((found - target).square() * where).mean((1, 2, 3)) * weights[t].to(device)).mean()}

    unet.load_state_dict(train("unet", unet, step_loss, steps=args.steps, learning_rate=8e-4, warmup=150,
                               ema_decay=0.998, out=args.out))
    unet.half().save_pretrained(folder / "unet")


if __name__ == "__main__":
    main()
