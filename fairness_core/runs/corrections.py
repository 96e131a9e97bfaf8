"""What a person corrects in the classifier's view of a face: kept beside the comparison, applied whenever it is read."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from fairness_core.errors import UserError
from fairness_core.files import write_atomically
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

SIDES = ("original", "tuned")


class CorrectionError(UserError):
    """A correction that cannot be made; the message says what to change."""


@dataclass(frozen=True)
class Correction:
    """One image of a prompt, before ("original") or after ("tuned"): what is to be seen in it.

    attribute, class_name: the class a person sees; both empty: there is no face.
    """

    prompt: str
    side: str
    number: int
    attribute: str = ""
    class_name: str = ""


def with_correction(corrections: Sequence[Correction], added: Correction) -> tuple[Correction, ...]:
    """The corrections and one more; it takes the place of an earlier one of the same image and attribute."""
    key = (added.prompt, added.side, added.number, added.attribute)
    return tuple(c for c in corrections if (c.prompt, c.side, c.number, c.attribute) != key) + (added,)


def corrected(comparisons: Sequence[PromptComparison], corrections: Sequence[Correction]) -> list[PromptComparison]:
    """The comparisons as they would be had the classifier seen what people see: probability 1 for the class named.

    Raises CorrectionError for an image, attribute or class that is not there, or a class for an image without a face.
    """
    by_prompt = {c.prompt: c for c in comparisons}
    for one in corrections:
        if one.prompt not in by_prompt or one.side not in SIDES:
            raise CorrectionError(f"“{one.prompt}” ({one.side}) is not among the pictures: choose one that is shown.")
        comparison = by_prompt[one.prompt]
        by_prompt[one.prompt] = replace(comparison, **{one.side: corrected_images(getattr(comparison, one.side), one)})
    return list(by_prompt.values())


def corrected_images(images: ImageSet, one: Correction) -> ImageSet:
    if one.number not in images.numbers[:images.shown]:
        raise CorrectionError(f"There is no picture no. {one.number}: choose one that is shown.")
    place = images.numbers.index(one.number)
    if not one.attribute:
        found = images.found.copy()
        found[place] = False
        return replace(images, found=found)
    if not images.found[place]:
        raise CorrectionError(f"No face was found in picture no. {one.number}: there is no class to correct.")
    known = load_attributes()
    if one.attribute not in images.probabilities or one.class_name not in known[one.attribute].class_names:
        raise CorrectionError(f"{one.attribute}: {one.class_name} is not a class the classifier tells apart.")
    values = images.probabilities[one.attribute].copy()
    values[place] = np.eye(values.shape[-1])[known[one.attribute].class_names.index(one.class_name)]
    return replace(images, probabilities=images.probabilities | {one.attribute: values})


def save_corrections(path: Path, corrections: Sequence[Correction]) -> None:
    text = json.dumps([asdict(c) for c in corrections], indent=1)
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def load_corrections(path: Path) -> tuple[Correction, ...]:
    """None when there is no file. Raises CorrectionError for a damaged one."""
    if not path.exists():
        return ()
    try:
        return tuple(Correction(**data) for data in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CorrectionError(f"{path} is damaged ({error}): remove it, and correct the pictures again.") from error
