"""Images -> the largest face in each, and its crop. Detection carries no gradient, the crop does."""

from dataclasses import dataclass
from typing import Protocol

import torch
from facenet_pytorch import MTCNN
from torch import Tensor
from torch.nn import functional
from torchvision.ops import roi_align

CROP_MARGIN = 0.35  # the crop is a square this much larger than the box: hair and chin tell as much as the eyes
SECOND_TRY_SCALE, SECOND_TRY_THRESHOLDS = 2, (0.4, 0.5, 0.5)


@dataclass(frozen=True)
class Faces:
    """The largest face of each image.

    found: bool [n]; boxes: float [n, 4] left top right bottom in pixels, zero where not found.
    """

    found: Tensor
    boxes: Tensor


class FaceDetector(Protocol):
    """Anything that finds the largest face in images [n, 3, h, w] in [-1, 1]."""

    def __call__(self, images: Tensor) -> Faces: ...


class MtcnnDetector:
    """MTCNN in one batch, and a second try, larger and less strict, for the images it misses."""

    def __init__(self, device: torch.device, smallest_face: int = 40):
        self.first = MTCNN(min_face_size=smallest_face, device=device).eval()
        self.second = MTCNN(min_face_size=smallest_face, thresholds=list(SECOND_TRY_THRESHOLDS), device=device).eval()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Faces:
        """images [n, 3, h, w] in [-1, 1] -> Faces."""
        device_type = images.device.type
        with torch.autocast(device_type, enabled=False):
            faces = largest_faces(self.first, images.float())
            missed = (~faces.found).nonzero().flatten()
            if len(missed):
                again = largest_faces(self.second, functional.interpolate(
                    images[missed].float(), scale_factor=SECOND_TRY_SCALE, mode="bilinear"))
                faces.found[missed], faces.boxes[missed] = again.found, again.boxes / SECOND_TRY_SCALE
        return faces


def largest_faces(detector: MTCNN, images: Tensor) -> Faces:
    """One MTCNN pass over images [n, 3, h, w] in [-1, 1]."""
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).permute(0, 2, 3, 1)
    try:
        found_boxes, _ = detector.detect(pixels)
    except (RuntimeError, ValueError) as error:  # torch's word for an empty list: facenet-pytorch kept no window at all
        if "non-empty" not in str(error):
            raise
        found_boxes = [None] * len(images)
    found = torch.tensor([b is not None and len(b) > 0 for b in found_boxes], device=images.device)
    boxes = torch.zeros(len(images), 4, device=images.device)
    for i in found.nonzero().flatten().tolist():
        candidates = torch.as_tensor(found_boxes[i].astype("float32"))
        areas = (candidates[:, 2] - candidates[:, 0]) * (candidates[:, 3] - candidates[:, 1])
        boxes[i] = candidates[areas.argmax()].to(images.device)
    return Faces(found, boxes)


def crop_squares(boxes: Tensor, margin: float = CROP_MARGIN) -> Tensor:
    """Squares around boxes [n, 4], wider by `margin` of the longer side."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) * (1 + margin) / 2
    return torch.cat([centre - half, centre + half], 1)


def crop_faces(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Differentiable crops [n, 3, size, size] of images [n, 3, h, w], one box [4] an image.

    Pixels outside the image repeat its edge (roi_align alone would fill in grey), so a face at the border stays whole.
    """
    with torch.autocast(images.device.type, enabled=False):
        squares = crop_squares(boxes).float()
        limits = squares.new_tensor(images.shape[:1:-1])
        outside = int(torch.maximum(-squares[:, :2], squares[:, 2:] - limits).amax().clamp(min=0).ceil())
        padded = functional.pad(images.float(), [outside] * 4, mode="replicate") if outside else images.float()
        return roi_align(padded, list((squares + outside).split(1)), output_size=size, sampling_ratio=2, aligned=True)
