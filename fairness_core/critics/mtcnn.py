"""MTCNN (Zhang et al. 2016) on facenet-pytorch's weights, a whole batch at once and without waiting for the device.

facenet-pytorch's own pass goes through the candidates one by one in Python. Here every stage keeps a fixed number of
candidates an image, the best first; scores of -1 stand in the places that no candidate takes.
"""

from dataclasses import dataclass, replace
from functools import cache

import torch
from facenet_pytorch import MTCNN
from torch import Tensor, nn
from torch.nn import functional as F

from fairness_core.hardware.waiting import may_wait, to_device

CELL, STRIDE = 12, 2  # pixels: what one place of the first network sees, and how far apart they are
MOST = (64, 128, 64, 24)  # candidates an image: of one scale, of all scales, for the second network, for the third
OVERLAP_OF_SCALE, OVERLAP = 0.5, 0.7  # of two candidates that share more, the better one stays
ROUNDS = 8  # of suppressing: enough for chains of so many candidates, each over the next
NONE = -1.0


@dataclass(frozen=True)
class Candidates:
    """boxes: [n, k, 4] left top right bottom in pixels; scores: [n, k], the best first, -1 for none; extra: [n, k, d],
    what a network says of each. count: how many there are in all images together, at least 1, where that is known.
    """

    boxes: Tensor
    scores: Tensor
    extra: Tensor
    count: int | None = None

    def best(self, most: int) -> "Candidates":
        """At most so many an image."""
        most = min(most, self.scores.shape[1])
        scores, places = self.scores.topk(most)
        boxes, extra = (values.take_along_dim(places[:, :, None], 1) for values in (self.boxes, self.extra))
        return Candidates(boxes, scores, extra)

    def for_a_network(self, most: int) -> "Candidates":
        """The same, for a network to look at: on a CPU, where asking makes nobody wait, no more than there are."""
        best = self.best(most)
        if self.scores.device.type != "cpu":
            return best
        with may_wait():
            counts = (best.scores > NONE).sum(1).tolist()
        return replace(best.best(max(1, *counts)), count=max(1, sum(counts)))

    def apart(self, limit: float, of_smaller: bool = False) -> "Candidates":
        """Without those that a better one overlaps: greedy non-maximum suppression, for all images at once.

        A candidate stays unless a better one stays that overlaps it. Applied to its own answer, this settles the best
        candidates first, and each round at least those whose betters are settled.
        """
        there = self.scores > NONE
        over = (overlaps(self.boxes, of_smaller) > limit).triu(1)
        stays = there
        for _ in range(ROUNDS):
            stays = there & ~(over & stays.unsqueeze(2)).any(1)
        return Candidates(self.boxes, self.scores.where(stays, NONE), self.extra)


class BatchedMtcnn:
    """The three networks of facenet-pytorch's MTCNN with its thresholds and its smallest face."""

    def __init__(self, networks: MTCNN):
        self.networks = networks.to(memory_format=torch.channels_last)  # on a CPU, pooling takes half as long

    @torch.no_grad()
    def largest(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """images [n, 3, h, w] in [-1, 1] -> found [n], boxes [n, 4] and landmarks [n, 5, 2] of the largest faces."""
        n, found = len(images), self.candidates(images)
        if found is None:
            return images.new_zeros(n, dtype=torch.bool), images.new_zeros(n, 4), images.new_zeros(n, 5, 2)
        areas = (found.boxes[..., 2:] - found.boxes[..., :2]).prod(-1).where(found.scores > NONE, NONE)
        area, largest = areas.max(1)
        box = found.boxes.take_along_dim(largest[:, None, None], 1)[:, 0]
        points = found.extra.take_along_dim(largest[:, None, None], 1)[:, 0].view(n, 2, 5).mT
        seen = area > NONE
        return seen, box.where(seen[:, None], 0.0), points.where(seen[:, None, None], 0.0)

    @torch.no_grad()
    def candidates(self, images: Tensor) -> Candidates | None:
        """Every face of images [n, 3, h, w] in [-1, 1]: extra holds its landmarks, the five x before the five y.

        None for images smaller than the smallest face.
        """
        height, width = images.shape[-2:]
        pixels = images.clamp(-1, 1) * (127.5 / 128)  # facenet-pytorch's own standardisation
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        found = self.propose(pixels, scales_of(height, width, self.networks.min_face_size, self.networks.factor))
        for stage, side in ((1, 24), (2, 48)) if found else ():
            found = self.refine(stage, side, pixels, found)
        return found

    def propose(self, pixels: Tensor, scales: list[float]) -> Candidates | None:
        """The first network at every scale; None for images smaller than the smallest face."""
        each, (height, width) = [], pixels.shape[-2:]
        for scale in scales:
            size = int(height * scale + 1), int(width * scale + 1)
            shifts, probabilities = self.networks.pnet(F.interpolate(pixels, size, mode="area"))
            cells = cells_of(*probabilities.shape[-2:], scale, pixels.device).expand(len(pixels), -1, -1)
            scores = probabilities[:, 1].flatten(1)
            scores = scores.where(scores >= self.networks.thresholds[0], NONE)
            each.append(Candidates(cells, scores, shifts.flatten(2).mT).best(MOST[0]).apart(OVERLAP_OF_SCALE))
        if not each:
            return None
        together = Candidates(*(torch.cat([getattr(c, name) for c in each], 1) for name in ("boxes", "scores", "extra")))
        kept = together.best(MOST[1]).apart(OVERLAP).for_a_network(MOST[2])
        sides = (kept.boxes[..., 2:] - kept.boxes[..., :2]).repeat(1, 1, 2)
        return replace(kept, boxes=squared(kept.boxes + kept.extra * sides))

    def refine(self, stage: int, side: int, pixels: Tensor, found: Candidates) -> Candidates:
        """The second (stage 1) or the third network (2), which also tells landmarks, x before y."""
        crops, is_inside = crop(pixels, found.boxes, side)
        shifts, *points, probabilities = answers((self.networks.rnet, self.networks.onet)[stage - 1], crops, found)
        shape = found.scores.shape
        scores = probabilities[:, 1].view(shape)
        passes = (found.scores > NONE) & is_inside & (scores > self.networks.thresholds[stage])
        scores, boxes = scores.where(passes, NONE), found.boxes
        corner, sides = boxes[..., :2], boxes[..., 2:] - boxes[..., :2] + 1
        moved = boxes + shifts.view(*shape, 4) * sides.repeat(1, 1, 2)
        if stage == 1:
            kept = Candidates(boxes, scores, moved).best(shape[1]).apart(OVERLAP).for_a_network(MOST[3])
            return replace(kept, boxes=squared(kept.extra))
        places = points[0].view(*shape, 2, 5) * sides[..., None] + corner[..., None] - 1
        return Candidates(moved, scores, places.flatten(2)).best(shape[1]).apart(OVERLAP, of_smaller=True)


def answers(network: nn.Module, crops: Tensor, found: Candidates) -> list[Tensor]:
    """What a network says of crops [n * k, 3, side, side]: [n * k, d] each, zeros in places that no candidate takes where
    it is known how many do, for looking there costs time.
    """
    if found.count is None:
        return network(crops)
    places = found.scores.flatten().topk(found.count).indices
    taken = crops[places].contiguous(memory_format=torch.channels_last)
    return [answer.new_zeros(len(crops), answer.shape[1]).index_copy(0, places, answer) for answer in network(taken)]


def scales_of(height: int, width: int, smallest_face: int, factor: float) -> list[float]:
    """At which sizes the first network looks at an image, so that a face fills one of its cells."""
    scales, scale = [], CELL / smallest_face
    while min(height, width) * scale >= CELL:
        scales.append(scale)
        scale *= factor
    return scales


@cache
def cells_of(rows: int, columns: int, scale: float, device: torch.device) -> Tensor:
    """What each place of the first network sees, [1, rows * columns, 4] in pixels of the image."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    corner = STRIDE * torch.stack([x, y], -1).view(1, -1, 2).float()
    return to_device(torch.cat([((corner + 1) / scale).floor(), ((corner + CELL) / scale).floor()], -1), device)


def squared(boxes: Tensor) -> Tensor:
    """The squares of the longer side around the same centres."""
    sides = boxes[..., 2:] - boxes[..., :2]
    longer = sides.amax(-1, keepdim=True)
    corner = boxes[..., :2] + (sides - longer) / 2
    return torch.cat([corner, corner + longer], -1)


def overlaps(boxes: Tensor, of_smaller: bool = False) -> Tensor:
    """boxes [n, k, 4] -> [n, k, k]: what two share, as part of their union, or of the smaller one in whole pixels."""
    edge = 1 if of_smaller else 0
    one, other = boxes[:, :, None], boxes[:, None]
    sides = torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2]) + edge
    shared = sides.clamp(min=0).prod(-1)
    areas = (boxes[..., 2:] - boxes[..., :2] + edge).prod(-1)
    one_area, other_area = areas[:, :, None], areas[:, None]
    return shared / (torch.minimum(one_area, other_area) if of_smaller else one_area + other_area - shared)


def crop(pixels: Tensor, boxes: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Whole pixels of boxes [n, k, 4], shrunk or stretched by area to [n * k, 3, side, side], and which ones lie in the
    image, [n, k].

    The mean over a rectangle is that over its rows, then its columns: two matrix products for all boxes of an image.
    """
    (n, k), (height, width) = boxes.shape[:2], pixels.shape[-2:]
    whole = boxes.trunc()
    first = (whole[..., :2] - 1).clamp(min=0)
    last = torch.stack([whole[..., 2].clamp(max=width), whole[..., 3].clamp(max=height)], -1)
    down, across = (means(first[..., i], last[..., i], side, length) for i, length in ((1, height), (0, width)))
    rows = down.view(n, k * side, height) @ pixels.transpose(1, 2).reshape(n, height, -1)
    crops = rows.view(n, k, side * pixels.shape[1], width) @ across.mT
    crops = crops.view(n * k, side, -1, side).transpose(1, 2).contiguous(memory_format=torch.channels_last)
    return crops, (last > first).all(-1)


def means(first: Tensor, last: Tensor, size: int, length: int) -> Tensor:
    """[n, k, size, length]: weights that average the pixels from `first` to `last`, without it, into `size` ones."""
    span, places = (last - first).clamp(min=1)[..., None], torch.arange(size + 1, device=first.device)
    start = first[..., None] + (places[:-1] * span / size).floor()
    end = first[..., None] + (places[1:] * span / size).ceil()
    pixel = torch.arange(length, device=first.device)
    inside = (pixel >= start[..., None]) & (pixel < end[..., None])
    return inside / (end - start)[..., None]
