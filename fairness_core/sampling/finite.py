"""Pictures that hold no numbers: there is nothing to see in them, and no loss can be taken of them."""

import numpy as np
from torch import Tensor

from fairness_core.errors import UserError

PUSHED_TOO_FAR = ("the adapter has been pushed too far, or half precision overflowed. Lower learning_rate and start again, "
                  "or continue an earlier save; if it happens at the first step, load the model in float32.")
WITHOUT_ADAPTER = ("half precision overflowed, or the model's files are damaged. Load the model in float32, or choose "
                   "another one.")


class NotFiniteError(UserError):
    """Pictures that hold NaN or infinity; the message says whose, why and what to do."""


def check_finite(finite: np.ndarray, whose: str, why: str = PUSHED_TOO_FAR) -> None:
    """finite: bool [n]. Raises NotFiniteError, which says why and what to do, where one is not."""
    if broken := int((~finite).sum()):
        raise NotFiniteError(f"{broken} of {whose} {len(finite)} pictures are not finite (NaN or infinite): {why}")


def checked_pictures(images: Tensor, whose: str, why: str = PUSHED_TOO_FAR) -> Tensor:
    """Images [n, 3, h, w] as they are. Raises NotFiniteError as check_finite() does; the host waits."""
    check_finite(images.detach().isfinite().flatten(1).all(1).cpu().numpy(), whose, why)
    return images
