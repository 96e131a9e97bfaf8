"""How right, how sure and how much of one mind the two classifiers are."""

import numpy as np
import torch
from torch.nn import functional as F

from fairness_core.critics import Critics
from mini_world.measure.judging import Judged, as_pixels, to_numpy
from mini_world.portraits import CLASSES, Portraits

BINS = 15
PATCH = 28  # side of what is cut from a portrait's corner, in pixels
NETWORKS = {"classifier": "classifier", "classifier_eval": "evaluator"}  # folder -> its name among the critics


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = BINS) -> float:
    """Mean distance of confidence from accuracy, over equal-width bins of confidence, weighted by their size.

    probabilities: [n, classes]; truth: class index [n]. In [0, 1] (Guo et al., ICML 2017).
    """
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs((confidence[place == b] - right[place == b]).sum()) for b in range(bins)]
    return float(sum(gaps) / len(truth))


def head_figures(probabilities: np.ndarray, truth: np.ndarray) -> dict:
    """Confusion table (rows: truth, columns: answers), right answers per class and over all, calibration error."""
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (truth, probabilities.argmax(-1)), 1)
    return {"confusion": confusion.tolist(),
            "right_per_class": [round(row[i] / max(1, sum(row)), 4) for i, row in enumerate(confusion.tolist())],
            "right": round(float(np.trace(confusion) / len(truth)), 4),
            "calibration_error": round(expected_calibration_error(probabilities, truth), 4)}


def on_portraits(judged: Judged, portraits: Portraits) -> dict[str, dict]:
    """classifier -> attribute -> head_figures, of the portraits with a face."""
    truth = {name: portraits.labels(name).numpy()[judged.found] for name in CLASSES}
    return {classifier: {name: head_figures(answers[name][judged.found], truth[name]) for name in CLASSES}
            for classifier, answers in judged.seen.items()}


def agreement(judged: Judged) -> dict[str, float]:
    """Share of pictures with a face in which both classifiers perceive the same, by attribute and in all of them."""
    same = {name: judged.labels(name) == judged.labels(name, "classifier") for name in CLASSES}
    same["all"] = np.all(list(same.values()), axis=0)
    return {name: round(float(values.mean()), 4) for name, values in same.items()}


def pictures_without_faces(portraits: Portraits, count: int) -> dict[str, np.ndarray]:
    """kind -> `count` pictures uint8 [count, h, w, 3] that show no face."""
    rng = np.random.default_rng(0)
    images = portraits.images[:count].permute(0, 2, 3, 1).numpy()
    height, width = images.shape[1:3]
    shape = (count, height, width, 3)
    flat = np.broadcast_to(rng.integers(0, 256, (count, 1, 1, 3)), shape)
    return {"noise": rng.integers(0, 256, shape).astype(np.uint8), "one colour": flat.astype(np.uint8),
            "background": enlarged(images[:, :PATCH, :PATCH], height),
            "clothes": enlarged(images[:, -PATCH:, PATCH // 2:PATCH // 2 + PATCH], height)}


def enlarged(images: np.ndarray, size: int) -> np.ndarray:
    pixels = F.interpolate(as_pixels(images), (size, size), mode="bilinear")
    return ((pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


@torch.no_grad()
def on_no_faces(critics: Critics, portraits: Portraits, count: int) -> dict[str, dict]:
    """kind of picture -> share in which a face is "found", and mean confidence of each classifier's heads if the
    whole picture is given to it as if it were a face."""
    figures = {}
    for kind, images in pictures_without_faces(portraits, count).items():
        pixels = as_pixels(images).to(critics.face_bank.device)
        figures[kind] = {"faces_found": round(critics.detector(pixels).found.float().mean().item(), 4)}
        for folder, name in NETWORKS.items():
            network = getattr(critics, name)
            size = (network.crop_size, network.crop_size)
            answers = to_numpy(network.probabilities(F.interpolate(pixels, size, mode="bilinear", antialias=True)))
            figures[kind][folder] = {k: round(float(v.max(-1).mean()), 3) for k, v in answers.items()}
    return figures
