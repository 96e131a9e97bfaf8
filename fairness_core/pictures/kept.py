"""What was judged as files of a run's folder: judged.json, and the pictures to be looked at as sheets beside it."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fairness_core.files import write_atomically
from fairness_core.pictures.judge_entries import JudgeEntry
from fairness_core.pictures.judged import Judged, JudgedPrompt
from fairness_core.pictures.limits import Skipped
from fairness_core.runs.comparisons import array_data, array_from_data, image_set_data, image_set_from_data
from fairness_core.runs.folder import RunError, RunFolder
from fairness_core.strict_json import to_json, with_nan

JUDGED_FILE = "judged.json"
QUALITY = 85  # of webp, 0 to 100


def save_judged(folder: RunFolder, judged: Judged) -> Path:
    """Everything but the pictures as they were handed over: of those, the first of each prompt are kept, small."""
    folder.images.mkdir(parents=True, exist_ok=True)
    data = {"judge": asdict(judged.judge), "faces": judged.faces, "prompts_from": judged.prompts_from,
            "skipped": [asdict(one) for one in judged.skipped], "foreign": judged.foreign, "asked": judged.asked, "left": judged.left,
            "prompts": [prompt_data(folder, one) for one in judged.prompts]}
    path = folder.path / JUDGED_FILE
    write_atomically(path, lambda part: part.write_text(to_json(data), encoding="utf-8"))
    return path


def prompt_data(folder: RunFolder, one: JudgedPrompt) -> dict:
    return {"images": image_set_data(folder, one.images, QUALITY), "files": list(one.files), "pictures": one.pictures,
            "several": one.several, "clip_text": array_data(one.clip_text)}


def load_judged(folder: RunFolder) -> Judged | None:
    """None where nothing was judged yet. Raises RunError for a damaged file or missing pictures."""
    path = folder.path / JUDGED_FILE
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        prompts = tuple(prompt_from_data(folder, one) for one in data["prompts"])
        return Judged(JudgeEntry(**data["judge"]), data["faces"], prompts, data["prompts_from"],
                      tuple(Skipped(**one) for one in data["skipped"]), data["foreign"], data["asked"], data["left"])
    except RunError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}): judge the pictures again.") from error


def prompt_from_data(folder: RunFolder, data: dict) -> JudgedPrompt:
    clip_text: np.ndarray = array_from_data(with_nan(data["clip_text"]))
    return JudgedPrompt(image_set_from_data(folder, data["images"]), tuple(data["files"]), data["pictures"], data["several"],
                        clip_text)
