"""Two classifiers that never meet: one to train against, one that only measures.

They learn from portraits as rendered and as painted again by the U-Net: trained on rendered ones alone, they took one
softly painted Black face in three for an Indian one.

python -m mini_world.train_classifiers --portraits portraits.zip --out build
(needs the U-Net and the autoencoder; about 10 minutes on two cores)
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fairness_core.critics.built_in import FaceNetwork
from fairness_core.critics.faces import MtcnnDetector, crop_faces
from mini_world.augment import random_views
from mini_world.cli import arguments
from mini_world.loop import pick_device, train
from mini_world.portraits import CLASSES, as_floats, load_portraits, split, with_more
from mini_world.repaint import BATCH, repaint

LOOSE_CROP = 96  # kept wider than the network's 64 so that augmentation has room


def face_crops(batches: Iterable[Tensor], cache: Path, device: torch.device) -> tuple[Tensor, Tensor]:
    """(crops uint8 [n, 3, 96, 96], found [n]) of batches of images uint8 [., 3, h, w], remembered in `cache`."""
    if cache.exists():
        saved = torch.load(cache, weights_only=True)
        return saved["crops"], saved["found"]
    detector, crops, found = MtcnnDetector(device), [], []
    for images in batches:
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
    network = FaceNetwork({k: list(v) for k, v in CLASSES.items()}, width=width)
    if args.start_from:
        network.load_state_dict(FaceNetwork.from_pretrained(args.start_from / name).state_dict())
    network = network.to(device, memory_format=torch.channels_last)
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
    args = arguments(steps=2500, batch=96)
    device, both = pick_device(), dict(zip(("training", "held_out"), split(load_portraits(args.portraits))))
    both["training"] = with_more(both["training"], args.more_portraits)
    crops, found, labels = {}, {}, {}
    for name, portraits in both.items():
        labels[name] = {k: portraits.labels(k) for k in CLASSES}
        for kind, batches in (("rendered", portraits.images.split(BATCH)),
                              ("repainted", repaint(portraits, args.out / "mini", device))):
            crops[name, kind], found[name, kind] = face_crops(batches, args.out / f"crops_{name}_{kind}.pt", device)
            print(f"{name}, {kind}: faces in {found[name, kind].float().mean().item():.4f}")
    people = len(both["training"])
    training_crops, training_found = (torch.cat([part["training", "rendered"], part["training", "repainted"]])
                                      for part in (crops, found))
    training_labels = {k: v.repeat(2) for k, v in labels["training"].items()}
    order = np.random.default_rng(11).permutation(people)
    halves = {"classifier": (order[: int(.75 * len(order))], 5, 24, 0.08),
              "classifier_eval": (order[int(.25 * len(order)):], 6, 32, 0.14)}
    for name, (rows, seed, width, colour) in halves.items():
        rows = np.concatenate([rows, rows + people])
        rows = rows[training_found[rows].numpy()]
        network = fit(name, seed, training_crops[rows], {k: v[rows] for k, v in training_labels.items()}, width, colour,
                      args, device)
        for kind in ("rendered", "repainted"):
            seen = found["held_out", kind]
            print(name, kind, accuracies(network, crops["held_out", kind][seen],
                                         {k: v[seen] for k, v in labels["held_out"].items()}))
        network.save_pretrained(args.out / "mini" / name)


if __name__ == "__main__":
    main()
