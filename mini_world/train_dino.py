"""The second semantics encoder: learns from pictures alone (SimCLR), in DINOv2's format.

python -m mini_world.train_dino --portraits portraits.zip --out build   (about 6 minutes on two cores)
"""

import torch
from PIL.Image import Resampling
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPImageProcessor, Dinov2Config, Dinov2Model

from mini_world.augment import random_views
from mini_world.cli import arguments
from mini_world.loop import pick_device, train
from mini_world.portraits import as_floats, load_portraits, split

IMAGE_SIZE, WIDTH, TEMPERATURE = 64, 128, 0.15


class TwoViews(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Dinov2Model(Dinov2Config(
            hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=4, mlp_ratio=3, image_size=IMAGE_SIZE,
            patch_size=8, attn_implementation="eager"))
        self.project = nn.Sequential(nn.Linear(WIDTH, 256), nn.GELU(), nn.Linear(256, 64))

    def forward(self, views: Tensor) -> Tensor:
        return F.normalize(self.project(self.encoder(views).pooler_output).float(), dim=-1)


def pairing_loss(a: Tensor, b: Tensor) -> Tensor:
    """NT-Xent: each view must find its twin among all others."""
    both = torch.cat([a, b])
    logits = both @ both.T / TEMPERATURE
    logits.fill_diagonal_(-1e4)
    twin = torch.arange(len(both), device=both.device).roll(len(a))
    return F.cross_entropy(logits, twin)


def main() -> None:
    args = arguments(steps=700, batch=96)
    training, held_out = split(load_portraits(args.portraits))
    device = pick_device()
    torch.manual_seed(3)
    model = TwoViews().to(device)
    images = F.avg_pool2d(as_floats(training.images), 2)
    held = F.avg_pool2d(as_floats(held_out.images), 2)

    def step_loss(step: int) -> dict[str, Tensor]:
        batch = images[torch.randint(len(images), (args.batch,))].to(device)
        views = [random_views(batch, IMAGE_SIZE, zoom=(0.6, 1.0), shift=0.2, colour=0.12) for _ in range(2)]
        a, b = model(torch.cat(views)).chunk(2)
        return {"pairing": pairing_loss(a, b)}

    model.load_state_dict(train("dino", model, step_loss, steps=args.steps, learning_rate=1e-3, weight_decay=0.05, out=args.out))
    encoder = model.encoder.cpu().eval()
    with torch.no_grad():
        known, asked = (F.normalize(encoder(x).pooler_output, dim=-1) for x in (images[::2], held))
    nearest = (asked @ known.T).argmax(1).tolist()
    concepts = [row["concept"] for row in training.rows[::2]]
    right = sum(concepts[i] == row["concept"] for i, row in zip(nearest, held_out.rows))
    print("nearest neighbour shares the concept:", right / len(held_out))
    folder = args.out / "mini" / "dino"
    encoder.half().save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": IMAGE_SIZE}, crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
                       image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=Resampling.BILINEAR).save_pretrained(folder)


if __name__ == "__main__":
    main()
