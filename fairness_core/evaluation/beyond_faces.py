"""What else is in a picture than a face: CLIP's answers about it, and how alike two pictures are but for the faces."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fairness_core.critics import Critics
from fairness_core.critics.faces import crop_squares
from fairness_core.results import ImageSet


@torch.no_grad()
def answers(critics: Critics, clip: Tensor) -> dict[str, np.ndarray]:
    """Zero-shot: the answer to every question of the critics whose texts are nearest to features [n, width], str [n]."""
    unit = F.normalize(clip.float(), dim=-1)
    return {question.label: np.array(question.answers)[(unit @ features.to(unit).T).argmax(-1).cpu().numpy()]
            for question, features in zip(critics.questions, critics.answer_features, strict=True)}


@torch.no_grad()
def outside_likeness(critics: Critics, before: ImageSet, after: ImageSet, device: torch.device) -> np.ndarray:
    """DINO cosine [n] of pictures of the same noises, with what the classifier reads of either face in grey in both: the
    square around the box, which takes most of the hair along. Where no face was found nothing is covered."""
    sides = [torch.from_numpy(side.images).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1 for side in (before, after)]
    height, width = sides[0].shape[-2:]
    covered = face_squares(before, height, width) | face_squares(after, height, width)
    first, second = (critics.measure("dino", side.masked_fill(covered.to(device), 0.0)) for side in sides)
    return F.cosine_similarity(first.float(), second.float(), dim=-1).cpu().numpy()


def face_squares(images: ImageSet, height: int, width: int) -> Tensor:
    """Which pixels the classifier reads, bool [n, 1, height, width]."""
    squares = crop_squares(torch.from_numpy(np.asarray(images.boxes, np.float32)))[:, :, None, None]
    y, x = torch.arange(height)[:, None], torch.arange(width)
    inside = (x >= squares[:, 0]) & (x < squares[:, 2]) & (y >= squares[:, 1]) & (y < squares[:, 3])
    return (inside & torch.from_numpy(images.found)[:, None, None])[:, None]
