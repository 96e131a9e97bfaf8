"""Images -> the largest face in each, and its crop. Detection carries no gradient, the crop does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from facenet_pytorch import MTCNN
from torch import Tensor
from torch.nn import functional

from fairness_core.critics.mtcnn import BatchedMtcnn
from fairness_core.errors import UserError
from fairness_core.hardware.recorded import recorded
from fairness_core.hardware.waiting import constant, may_wait

CROP_MARGIN = 0.35  # the crop is a square this much larger than the box: hair and chin tell as much as the eyes
# Where eyes, nose and corners of the mouth lie in an aligned crop of side 1: the places face-recognition networks are
# trained with (InsightFace's 112-pixel template).
ALIGNED_LANDMARKS = ((0.3419, 0.4616), (0.6565, 0.4598), (0.5002, 0.6405), (0.3710, 0.8247), (0.6315, 0.8233))
# On 180 turned, shrunk, darkened, half hidden... portraits the first try finds 132 faces and this second one 31 more,
# with 1 false find in 156 pictures without a face; OpenCV's Haar cascades find at most 22 more, with 0 to 7 false ones.
SECOND_TRY_SCALE, SECOND_TRY_THRESHOLDS = 2, (0.4, 0.5, 0.5)
DETECTED_AT_ONCE = 32  # fewer take less memory and more time


@dataclass(frozen=True)
class Faces:
    """The largest face of each image.

    found: bool [n]; boxes: float [n, 4] left top right bottom in pixels; landmarks: float [n, 5, 2] x y in pixels of
    left eye, right eye, nose, left and right corner of the mouth (as seen), or None from a detector without. Zero
    where not found.
    """

    found: Tensor
    boxes: Tensor
    landmarks: Tensor | None = None

    def rows(self, rows: slice) -> "Faces":
        return Faces(self.found[rows], self.boxes[rows], None if self.landmarks is None else self.landmarks[rows])

    @classmethod
    def joined(cls, parts: Sequence["Faces"]) -> "Faces":
        """One after the other."""
        landmarks = None if parts[0].landmarks is None else torch.cat([p.landmarks for p in parts])
        return cls(torch.cat([p.found for p in parts]), torch.cat([p.boxes for p in parts]), landmarks)


class FaceDetector(Protocol):
    """Anything that finds the largest face in images [n, 3, h, w] in [-1, 1]."""

    def __call__(self, images: Tensor) -> Faces: ...


class FaceReader(Protocol):
    """Any network that reads crops of crop_size pixels: aligned by the landmarks, or squares around the box."""

    crop_size: int
    aligned: bool


class MtcnnDetector:
    """MTCNN in batches, and a second try, larger and less strict, for the images it misses."""

    def __init__(self, device: torch.device, smallest_face: int = 40):
        self.first = MTCNN(min_face_size=smallest_face, device=device).eval()
        self.second = MTCNN(min_face_size=smallest_face, thresholds=list(SECOND_TRY_THRESHOLDS), device=device).eval()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Faces:
        """images [n, 3, h, w] in [-1, 1] -> Faces."""
        with torch.autocast(images.device.type, enabled=False):
            return Faces.joined([self.find(part) for part in images.float().split(DETECTED_AT_ONCE)])

    def find(self, images: Tensor) -> Faces:
        """The host waits once: it has to know which images are looked at again."""
        faces = Faces(*recorded(largest_faces, self.first, images.device)(self.first, images))
        with may_wait():
            missed = (~faces.found).nonzero().flatten()
        if len(missed):
            again = Faces(*largest_faces(self.second, functional.interpolate(
                images[missed], scale_factor=SECOND_TRY_SCALE, mode="bilinear")))
            faces.found[missed] = again.found
            faces.boxes[missed] = again.boxes / SECOND_TRY_SCALE
            faces.landmarks[missed] = again.landmarks / SECOND_TRY_SCALE
        return faces


def largest_faces(detector: MTCNN, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One MTCNN pass over images [n, 3, h, w] in [-1, 1]: found, boxes and landmarks of the largest face of each."""
    return BatchedMtcnn(detector).largest(images)


def crop_for(network: FaceReader, images: Tensor, faces: Faces) -> Tensor:
    """The crops [n, 3, size, size] that a network reads. Raises UserError where it needs landmarks there are not."""
    if not network.aligned:
        return crop_faces(images, faces.boxes, network.crop_size)
    if faces.landmarks is None:
        raise UserError("This network reads aligned faces, but the detector gives no landmarks: use MtcnnDetector.")
    return align_faces(images, faces.landmarks, network.crop_size)


def crop_squares(boxes: Tensor, margin: float = CROP_MARGIN) -> Tensor:
    """Squares around boxes [n, 4], wider by `margin` of the longer side."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) * (1 + margin) / 2
    return torch.cat([centre - half, centre + half], 1)


def crop_faces(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Differentiable square crops [n, 3, size, size] of images [n, 3, h, w], one box [4] an image."""
    squares = crop_squares(boxes).float()
    half, centre = (squares[:, 2:] - squares[:, :2]) / 2, (squares[:, 2:] + squares[:, :2]) / 2
    return sample_crops(images, torch.cat([torch.diag_embed(half), centre[:, :, None]], 2), size)


def align_faces(images: Tensor, landmarks: Tensor, size: int) -> Tensor:
    """Differentiable crops [n, 3, size, size] of images [n, 3, h, w], turned and scaled so that the landmarks
    [n, 5, 2] come to lie at ALIGNED_LANDMARKS, as near as least squares allow.

    A similarity is a complex number a (scale and turn) and a shift b: image = a * crop + b, so a = cov / var.
    """
    crop = 2 * constant(ALIGNED_LANDMARKS, landmarks.device) - 1
    middle, centre = crop.mean(0), landmarks.float().mean(1)
    x, y = (crop - middle).unbind(-1)
    u, v = (landmarks.float() - centre[:, None]).unbind(-1)
    spread = (x * x + y * y).sum()
    real, imaginary = (u * x + v * y).sum(1) / spread, (v * x - u * y).sum(1) / spread
    turn = torch.stack([real, -imaginary, imaginary, real], 1).view(-1, 2, 2)
    return sample_crops(images, torch.cat([turn, (centre - turn @ middle)[:, :, None]], 2), size)


def sample_crops(images: Tensor, transforms: Tensor, size: int) -> Tensor:
    """Crops [n, 3, size, size] of images [n, 3, h, w]: one differentiable operation for the whole batch.

    transforms: [n, 2, 3], from a crop's coordinates (x, y, 1), -1 to 1 from edge to edge, to pixels. A crop pixel is
    the mean of at least 2 x 2 samples, more for large images. Outside the image its edge is repeated, so a face at the
    border stays whole.
    """
    height, width = images.shape[-2:]
    samples = max(2, math.ceil(max(height, width) / (2 * size)))
    with torch.autocast(images.device.type, enabled=False):
        edges = constant(((width, height, 0), (0, 0, 1)), transforms.device, transforms.dtype)
        to_unit = 2 * transforms / edges[0, :2].view(1, 2, 1) - edges[1]
        grid = functional.affine_grid(to_unit, [len(images), 3, size * samples, size * samples], align_corners=False)
        fine = functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
        return functional.avg_pool2d(fine, samples)
