"""Two classifiers that never meet: one to train against, one that only measures.

python -m mini_world.train_classifiers --portraits portraits.zip --out build   (about 8 minutes on two cores)
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fairness_core.classifier import FaceNetwork
from fairness_core.faces import MtcnnDetector, crop_faces
from mini_world.augment import random_views
from mini_world.cli import arguments
from mini_world.loop import pick_device, train, use_both_cores
from mini_world.portraits import CLASSES, Portraits, as_floats, load_portraits, split

LOOSE_CROP = 96  # kept wider than the network's 64 so that augmentation has room


def face_crops(portraits: Portraits, cache, device: torch.device) -> tuple[Tensor, Tensor]:
    """(crops uint8 [n, 3, 96, 96], found [n]) of every portrait, remembered in `cache`."""
    if cache.exists():
        saved = torch.load(cache, weights_only=True)
        return saved["crops"], saved["found"]
    detector, crops, found = MtcnnDetector(device), [], []
    for images in portraits.images.split(64):
        floats = as_floats(images).to(device)
        faces = detector(floats)
        crops.append(((crop_faces(floats, faces.boxes, LOOSE_CROP) + 1) * 127.5).round().clamp(0, 255).byte().cpu())
        found.append(faces.found.cpu())
    saved = {"crops": torch.cat(crops), "found": torch.cat(found)}
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save(saved, cache)
    return saved["crops"], saved["found"]


def inverse_frequency(labels: Tensor) -> Tensor:
    """A weight an image: every class of the head counts the same."""
    return (1 / torch.bincount(labels).float())[labels] * len(labels) / len(torch.bincount(labels))


def degrade(views: Tensor) -> Tensor:
    """Blur and noise of random strength: generated faces are softer than rendered ones."""
    blurred = F.avg_pool2d(F.pad(views, (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = torch.rand(len(views), 1, 1, 1, device=views.device)
    return views.lerp(blurred, amount) + 0.06 * torch.rand_like(amount) * torch.randn_like(views)


def fit(name: str, seed: int, crops: Tensor, labels: dict[str, Tensor], width: int, colour: float, args, device) -> FaceNetwork:
    torch.manual_seed(seed)
    network = FaceNetwork({k: list(v) for k, v in CLASSES.items()}, width=width).to(device, memory_format=torch.channels_last)
    weights = {k: inverse_frequency(v).sqrt() for k, v in labels.items()}

    def step_loss(step: int) -> dict[str, Tensor]:
        torch.manual_seed(seed * 1_000_003 + step)
        chosen = torch.randint(len(crops), (args.batch,))
        views = random_views(as_floats(crops[chosen]).to(device), network.crop_size, zoom=(0.85, 1.1), shift=0.08,
                             degrees=8, colour=colour)
        logits = network(degrade(views).to(memory_format=torch.channels_last))
        return {k: (F.cross_entropy(logits[k].float(), v[chosen].to(device), reduction="none", label_smoothing=0.02)
                    * weights[k][chosen].to(device)).mean() for k, v in labels.items()}

    network.load_state_dict(train(name, network, step_loss, steps=args.steps, learning_rate=2e-3, weight_decay=0.02,
                                  ema_decay=0.99, out=args.out))
    return network.cpu().eval()


@torch.no_grad()
def accuracies(network: FaceNetwork, crops: Tensor, labels: dict[str, Tensor]) -> dict[str, list[float]]:
    """Right answers per class, in the order of the classes, by attribute."""
    small = F.interpolate(as_floats(crops), network.crop_size, mode="bilinear", antialias=True)
    found = {k: torch.cat([network(part)[k].argmax(1) for part in small.split(128)]) for k in labels}
    return {k: [round((found[k][v == c] == c).float().mean().item(), 3) for c in range(len(CLASSES[k]))]
            + [round((found[k] == v).float().mean().item(), 4)] for k, v in labels.items()}


def main() -> None:
    args = arguments(steps=1800, batch=96)
    use_both_cores()
    portraits, device = load_portraits(args.portraits), pick_device()
    training, held_out = split(portraits)
    crops, found = face_crops(training, args.out / "crops_training.pt", device)
    held_crops, held_found = face_crops(held_out, args.out / "crops_held_out.pt", device)
    print("portraits with a face:", found.float().mean().item(), held_found.float().mean().item())
    labels = {k: training.labels(k) for k in CLASSES}
    held_labels = {k: held_out.labels(k)[held_found] for k in CLASSES}
    order = np.random.default_rng(11).permutation(np.flatnonzero(found.numpy()))
    halves = {"classifier": (order[: int(.75 * len(order))], 5, 24, 0.08),
              "classifier_eval": (order[int(.25 * len(order)):], 6, 32, 0.14)}
    for name, (rows, seed, width, colour) in halves.items():
        network = fit(name, seed, crops[rows], {k: v[rows] for k, v in labels.items()}, width, colour, args, device)
        print(name, accuracies(network, held_crops[held_found], held_labels))
        network.save_pretrained(args.out / "mini" / name)


if __name__ == "__main__":
    main()
