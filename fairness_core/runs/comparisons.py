"""comparisons.json: everything about the pictures before and after but their pixels, which are sheets in images/."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fairness_core.files import write_atomically
from fairness_core.results import SIMILARITIES, Baseline, ImageSet, PromptComparison
from fairness_core.runs.corrections import CorrectionError, corrected, load_corrections
from fairness_core.runs.folder import RunError, RunFolder
from fairness_core.runs.light import LIGHT_WEBP_QUALITY, lightened
from fairness_core.runs.sheets import WEBP_QUALITY, load_sheet, save_sheet
from fairness_core.strict_json import to_json

BASELINE_ARRAYS = ("clip_text", "clip_image", "dino", "outside")


def save_comparisons(folder: RunFolder, comparisons: Sequence[PromptComparison], pictures: int | None = None) -> None:
    """Writes comparisons.json and one sheet of images a prompt and side.

    pictures: saves a light run, with the pictures of a prompt's first so many images alone, in fewer bytes, and values
    rounded (see `lightened`); figures stay those of all images.

    Sheets are named by their content, and the earlier ones are removed only after comparisons.json is in place:
    a full disk (OSError) leaves the earlier comparisons readable.
    """
    folder.images.mkdir(parents=True, exist_ok=True)
    quality = WEBP_QUALITY if pictures is None else LIGHT_WEBP_QUALITY
    saved = comparisons if pictures is None else [lightened(c, pictures) for c in comparisons]
    records = [comparison_data(folder, c, quality) for c in saved]
    text = to_json(records)
    write_atomically(folder.comparisons, lambda path: path.write_text(text, encoding="utf-8"))
    used = {images["sheet"] for record in records for images in sides_of(record)}
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


def comparison_data(folder: RunFolder, comparison: PromptComparison, quality: int) -> dict:
    data = {"prompt": comparison.prompt, "held_out": bool(comparison.held_out)}
    data |= {side: image_set_data(folder, getattr(comparison, side), quality) for side in ("original", "tuned")}
    if comparison.baseline is not None:
        data["baseline"] = baseline_data(folder, comparison.baseline, quality)
    return data | measured(comparison, (*SIMILARITIES, "outside"))


def measured(part: PromptComparison | Baseline, names: Sequence[str]) -> dict:
    """Arrays by name, without those that were not measured."""
    values = {name: getattr(part, name) for name in names}
    return {name: array_data(value) for name, value in values.items() if value is not None}


def sides_of(record: dict) -> list[dict]:
    """What is saved of every set of images."""
    words = [record["baseline"]["images"]] if "baseline" in record else []
    return [record["original"], record["tuned"], *words]


def comparison_from_data(folder: RunFolder, data: dict) -> PromptComparison:
    return PromptComparison(
        prompt=data["prompt"], held_out=data["held_out"],
        original=image_set_from_data(folder, data["original"]), tuned=image_set_from_data(folder, data["tuned"]),
        baseline=baseline_from_data(folder, data["baseline"]) if "baseline" in data else None,
        outside=array_from_data(data["outside"]) if "outside" in data else None,
        **{name: array_from_data(data[name]) for name in SIMILARITIES})


def baseline_data(folder: RunFolder, baseline: Baseline, quality: int) -> dict:
    return {"prompts": list(baseline.prompts), "left_alone": baseline.left_alone,
            "images": image_set_data(folder, baseline.images, quality)} | measured(baseline, BASELINE_ARRAYS)


def baseline_from_data(folder: RunFolder, data: dict) -> Baseline:
    arrays = {name: array_from_data(data[name]) for name in BASELINE_ARRAYS if name in data}
    return Baseline(tuple(data["prompts"]), data["left_alone"], image_set_from_data(folder, data["images"]), **arrays)


def image_set_data(folder: RunFolder, images: ImageSet, quality: int) -> dict:
    content = repr((images.images.shape, quality)).encode() + images.images.tobytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder.images / f"{digest}.webp"
    if not path.exists():
        save_sheet(path, images.images, quality)
    beyond = {} if images.faces is None else {"faces": directions_data(images.faces)}
    return {"prompt": images.prompt, "numbers": [int(n) for n in images.numbers], "sheet": path.name,
            "shape": list(images.images.shape), "found": array_data(images.found), "boxes": array_data(images.boxes),
            "probabilities": {name: array_data(p) for name, p in images.probabilities.items()},
            "answers": {question: answers.tolist() for question, answers in images.answers.items()}} | beyond


def image_set_from_data(folder: RunFolder, data: dict) -> ImageSet:
    return ImageSet(
        prompt=data["prompt"], numbers=tuple(data["numbers"]),
        images=load_sheet(folder.images / Path(data["sheet"]).name, data["shape"]),
        found=array_from_data(data["found"]), boxes=array_from_data(data["boxes"]),
        probabilities={name: array_from_data(p) for name, p in data["probabilities"].items()},
        faces=directions_from_data(data["faces"]) if "faces" in data else None,
        answers={question: np.array(answers) for question, answers in data.get("answers", {}).items()})


def directions_data(vectors: np.ndarray) -> dict:
    """Vectors [n, width] of which the direction alone counts, in a byte a value: their cosines change by about .001."""
    largest = np.maximum(np.abs(vectors).max(-1, keepdims=True), np.finfo(np.float32).tiny)
    small = np.round(127 * np.nan_to_num(vectors / largest)).astype(np.int8)
    return {"shape": list(small.shape), "bytes": base64.b64encode(small.tobytes()).decode()}


def directions_from_data(data: dict) -> np.ndarray:
    """The same as unit vectors, float32; zero where there was nothing."""
    values = np.frombuffer(base64.b64decode(data["bytes"]), np.int8).reshape(data["shape"]).astype(np.float32)
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1)


def array_data(array: np.ndarray) -> dict:
    """An array as JSON: floats in as few digits as read back exactly, but for NaN and infinity: null, then NaN."""
    values = array.ravel()
    if array.dtype.kind == "f":
        values = values.astype(str).astype(float)  # float32's .1 as .1, not .10000000149
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": values.tolist()}


def array_from_data(data: dict) -> np.ndarray:
    return np.array(data["values"], dtype=data["dtype"]).reshape(data["shape"])
