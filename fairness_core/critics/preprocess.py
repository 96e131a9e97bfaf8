"""Differentiable stand-in for the image processors of transformers."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F
from transformers import AutoImageProcessor

from fairness_core.critics.hub import first_line
from fairness_core.critics.protocols import CriticsError
from fairness_core.hardware.waiting import constant

MODES = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers, as preprocessor_config.json writes them
NO_CROP_FROM = 384  # ConvNext's processor crops below this size only


@dataclass(frozen=True)
class Preprocess:
    """Resize, cut out the middle, normalise.

    size: (height, width) in pixels, or the shorter side, the longer following; crop: (height, width) or None.
    mean, deviation: of the channels, in [0, 1].
    """

    size: int | tuple[int, int]
    crop: tuple[int, int] | None
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    mode: str = "bilinear"

    @property
    def shorter_side(self) -> int:
        """The size at which a square picture is neither enlarged nor shrunk."""
        return self.size if isinstance(self.size, int) else min(self.size)

    def __call__(self, images: Tensor) -> Tensor:
        """images [n, 3, h, w] in [-1, 1] -> [n, 3, crop height, crop width], normalised, with gradient."""
        resized = F.interpolate(images.float(), self.resized(*images.shape[-2:]), mode=self.mode, antialias=True)
        mean, deviation = (constant(v, resized.device)[:, None, None] for v in (self.mean, self.deviation))
        return ((self.cropped(resized) + 1) / 2 - mean) / deviation

    def resized(self, height: int, width: int) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return self.size
        shorter = min(height, width)
        return self.size * height // shorter, self.size * width // shorter

    def cropped(self, images: Tensor) -> Tensor:
        if self.crop is None:
            return images
        height, width = self.crop
        top, left = ((have - want) // 2 for have, want in zip(images.shape[-2:], self.crop))
        return images[..., top:top + height, left:left + width]


def load_preprocess(folder: Path) -> Preprocess:
    """What the image processor in a checkpoint's folder does.

    Raises CriticsError where there is none, or one that does what this stand-in cannot: other resampling than
    bilinear and bicubic, padding, or values that are not in [0, 1] before they are normalised.
    """
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise CriticsError(f"{folder.name} has no image processor (preprocessor_config.json). "
                           f"{first_line(error)}") from None
    mode = MODES.get(int(processor.resample))
    usable = processor.do_resize and processor.do_rescale and abs(processor.rescale_factor * 255 - 1) < 1e-6
    if not usable or mode is None or getattr(processor, "do_pad", False):
        raise CriticsError(f"{folder.name}: its image processor does what this app cannot do with gradients "
                           f"(resampling {processor.resample}, rescaling by {processor.rescale_factor}, or padding).")
    size, crop = size_and_crop(processor, folder)
    normalises = processor.do_normalize
    return Preprocess(size, crop, tuple(processor.image_mean) if normalises else (0.0,) * 3,
                      tuple(processor.image_std) if normalises else (1.0,) * 3, mode)


def size_and_crop(processor: object, folder: Path) -> tuple[int | tuple[int, int], tuple[int, int] | None]:
    edge, share = processor.size.get("shortest_edge"), getattr(processor, "crop_pct", None)
    if edge and share:
        return (int(edge / share), (edge, edge)) if edge < NO_CROP_FROM else ((edge, edge), None)
    size = edge or (processor.size.get("height"), processor.size.get("width"))
    crop = (processor.crop_size["height"], processor.crop_size["width"]) if processor.do_center_crop else None
    smallest = (size, size) if isinstance(size, int) else size
    if None in smallest or (crop and any(want > have for want, have in zip(crop, smallest))):
        raise CriticsError(f"{folder.name}: its image processor's size {dict(processor.size)} and crop {crop} "
                           "do not fit together.")
    return size, crop
