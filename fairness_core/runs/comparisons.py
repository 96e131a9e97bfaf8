"""comparisons.json: everything about the pictures before and after but their pixels, which are sheets in images/."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fairness_core.files import write_atomically
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.runs.corrections import CorrectionError, corrected, load_corrections
from fairness_core.runs.folder import RunError, RunFolder
from fairness_core.runs.sheets import load_sheet, save_sheet
from fairness_core.strict_json import to_json

SIMILARITIES = ("clip_text_original", "clip_text_tuned", "clip_image", "dino")


def save_comparisons(folder: RunFolder, comparisons: Sequence[PromptComparison]) -> None:
    """Writes comparisons.json and one sheet of images a prompt and side.

    Sheets are named by their content, and the earlier ones are removed only after comparisons.json is in place:
    a full disk (OSError) leaves the earlier comparisons readable.
    """
    folder.images.mkdir(parents=True, exist_ok=True)
    records = [comparison_data(folder, c) for c in comparisons]
    text = to_json(records)
    write_atomically(folder.comparisons, lambda path: path.write_text(text, encoding="utf-8"))
    used = {record[side]["sheet"] for record in records for side in ("original", "tuned")}
    for path in folder.images.glob("*.webp"):
        if path.name not in used:
            path.unlink()


def load_comparisons(folder: RunFolder, as_perceived: bool = False) -> list[PromptComparison]:
    """Everything as it was saved but the pixels, which are lossy; none when nothing was compared yet.

    What people corrected (corrections.json) is applied, unless as_perceived.
    Raises RunError for a damaged file or missing images.
    """
    if not folder.comparisons.exists():
        return []
    try:
        records = json.loads(folder.comparisons.read_text(encoding="utf-8"))
        comparisons = [comparison_from_data(folder, record) for record in records]
        return comparisons if as_perceived else corrected(comparisons, load_corrections(folder.corrections))
    except RunError:
        raise
    except CorrectionError as error:
        raise RunError(str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder.comparisons} is damaged ({error}): compare again.") from error


def comparison_data(folder: RunFolder, comparison: PromptComparison) -> dict:
    data = {"prompt": comparison.prompt, "held_out": bool(comparison.held_out)}
    data |= {side: image_set_data(folder, getattr(comparison, side)) for side in ("original", "tuned")}
    return data | {name: array_data(getattr(comparison, name)) for name in SIMILARITIES}


def comparison_from_data(folder: RunFolder, data: dict) -> PromptComparison:
    return PromptComparison(
        prompt=data["prompt"], held_out=data["held_out"],
        original=image_set_from_data(folder, data["original"]), tuned=image_set_from_data(folder, data["tuned"]),
        **{name: array_from_data(data[name]) for name in SIMILARITIES})


def image_set_data(folder: RunFolder, images: ImageSet) -> dict:
    digest = hashlib.sha256(repr(images.images.shape).encode() + images.images.tobytes()).hexdigest()[:16]
    path = folder.images / f"{digest}.webp"
    if not path.exists():
        save_sheet(path, images.images)
    return {"prompt": images.prompt, "numbers": [int(n) for n in images.numbers], "sheet": path.name,
            "shape": list(images.images.shape), "found": array_data(images.found), "boxes": array_data(images.boxes),
            "probabilities": {name: array_data(p) for name, p in images.probabilities.items()}}


def image_set_from_data(folder: RunFolder, data: dict) -> ImageSet:
    return ImageSet(
        prompt=data["prompt"], numbers=tuple(data["numbers"]),
        images=load_sheet(folder.images / Path(data["sheet"]).name, data["shape"]),
        found=array_from_data(data["found"]), boxes=array_from_data(data["boxes"]),
        probabilities={name: array_from_data(p) for name, p in data["probabilities"].items()})


def array_data(array: np.ndarray) -> dict:
    """An array as JSON: Python writes floats so that they read back exactly, but for NaN and infinity: null, then NaN."""
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": array.ravel().tolist()}


def array_from_data(data: dict) -> np.ndarray:
    return np.array(data["values"], dtype=data["dtype"]).reshape(data["shape"])
