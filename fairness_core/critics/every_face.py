"""All the faces of a picture, not its largest alone: for pictures that were made elsewhere and may show several people."""

import torch
from torch import Tensor
from torch.nn import functional

from fairness_core.critics.faces import SECOND_TRY_SCALE, Faces, MtcnnDetector
from fairness_core.critics.mtcnn import NONE, BatchedMtcnn


@torch.no_grad()
def every_face(detector: MtcnnDetector, images: Tensor) -> list[Faces]:
    """images [n, 3, h, w] in [-1, 1] -> the faces of each, the largest first: boxes [k, 4], landmarks [k, 5, 2], found all
    true. As the detector does, it looks again, larger and less strictly, at the images in which it finds none.
    """
    with torch.autocast(images.device.type, enabled=False):
        images = images.float()
        faces = found_by(BatchedMtcnn(detector.first), images)
        missed = [i for i, one in enumerate(faces) if not len(one.found)]
        if missed:
            larger = functional.interpolate(images[missed], scale_factor=SECOND_TRY_SCALE, mode="bilinear")
            for i, one in zip(missed, found_by(BatchedMtcnn(detector.second), larger)):
                faces[i] = Faces(one.found, one.boxes / SECOND_TRY_SCALE, one.landmarks / SECOND_TRY_SCALE)
    return faces


def found_by(networks: BatchedMtcnn, images: Tensor) -> list[Faces]:
    """One pass of the networks; no faces in images smaller than the smallest face."""
    found = networks.candidates(images)
    if found is None:
        none = images.new_zeros(0, 4)
        return [Faces(none[:, 0] > 0, none, images.new_zeros(0, 5, 2)) for _ in images]
    return [largest_first(boxes[there], extra[there]) for boxes, there, extra in
            zip(found.boxes, found.scores > NONE, found.extra)]


def largest_first(boxes: Tensor, extra: Tensor) -> Faces:
    order = (boxes[:, 2:] - boxes[:, :2]).prod(-1).argsort(descending=True, stable=True)
    landmarks = extra[order].view(-1, 2, 5).mT
    return Faces(torch.ones(len(order), dtype=torch.bool, device=boxes.device), boxes[order], landmarks)
