"""The original model's images, kept for the next adapter or strength that is compared with them."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from torch import Tensor

from fairness_core.results import ImageSet

MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Look:
    """One side of a comparison: what is perceived in a prompt's images, and their CLIP and DINO features [n, width]."""

    images: ImageSet
    clip: Tensor
    dino: Tensor


class Originals:
    """Looks at one model without adapter, the longest unused forgotten first beyond `most_bytes` of pixels."""

    def __init__(self, most_bytes: int = MOST_BYTES):
        self.most_bytes, self.looks = most_bytes, OrderedDict[Hashable, Look]()

    def recall(self, key: Hashable, look: Callable[[], Look]) -> Look:
        """The look of this key; `look` makes it the first time."""
        if key not in self.looks:
            self.looks[key] = look()
        self.looks.move_to_end(key)
        found = self.looks[key]
        while sum(kept.images.images.nbytes for kept in self.looks.values()) > self.most_bytes:
            self.looks.popitem(last=False)
        return found
