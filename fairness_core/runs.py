"""A run is a folder: settings, events, film strip, adapter, comparisons. Live and recorded runs share the format.

    config.yaml  about.yaml  events.jsonl  comparisons.json  film/*.webp  images/*.webp
    adapter/pytorch_lora_weights.safetensors
"""

import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import yaml
from PIL import Image

from fairness_core.config import FinetuneConfig, load_config
from fairness_core.events import Event, FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.files import write_atomically
from fairness_core.report import About, metrics_table, model_card, to_csv, to_html
from fairness_core.results import ImageSet, PromptComparison

ADAPTER_NAME = "pytorch_lora_weights.safetensors"  # the name diffusers' load_lora_weights looks for
EVENT_TYPES = {kind.__name__: kind for kind in (Started, StepDone, FilmStrip, Saved, Finished)}
RUN_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SIMILARITIES = ("clip_text_original", "clip_text_tuned", "clip_image", "dino")
WEBP_QUALITY, WEBP_LARGEST_SIDE = 90, 16383


class RunError(ValueError):
    """A run that cannot be read or named; the message says which file and what to do."""


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie. Nothing is created until something is saved."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def about(self) -> Path:
        return self.path / "about.yaml"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def film(self) -> Path:
        return self.path / "film"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter" / ADAPTER_NAME

    @property
    def comparisons(self) -> Path:
        return self.path / "comparisons.json"

    @property
    def images(self) -> Path:
        return self.path / "images"


@dataclass(frozen=True)
class RunSummary:
    """One line of the history. status: "completed", "stopped", "unfinished", or "unreadable" with a `problem`."""

    run_id: str
    folder: RunFolder
    about: About
    status: str
    step: int
    total_steps: int
    has_adapter: bool
    has_comparisons: bool
    problem: str = ""


# ---------------------------------------------------------------- names

def new_run_id() -> str:
    """Sorts by time, and two of one second differ: 20250131-142501-9f2c1a."""
    return f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def run_path(root: Path, run_id: str) -> RunFolder:
    """The run's folder under `root`. Raises RunError for an id that is not letters, digits and hyphens."""
    if not isinstance(run_id, str) or len(run_id) > 64 or not RUN_ID.fullmatch(run_id):
        raise RunError(f"{run_id!r} is not the id of a run: use at most 64 of a-z, 0-9, with single hyphens between.")
    return RunFolder(root / run_id)


# ---------------------------------------------------------------- settings and what is told about a run

def save_config(folder: RunFolder, config: FinetuneConfig) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    write_atomically(folder.config, config.save)


def read_config(folder: RunFolder) -> FinetuneConfig:
    """Raises RunError when config.yaml is missing or holds something else than settings."""
    try:
        return load_config(folder.config)
    except FileNotFoundError:
        raise RunError(f"{folder.path} holds no config.yaml: it is not a run's folder.") from None
    except (yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"{folder.config} cannot be used: {error}") from error


def save_about(folder: RunFolder, about: About) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(asdict(about), sort_keys=False, allow_unicode=True)
    write_atomically(folder.about, lambda path: path.write_text(text))


def read_about(folder: RunFolder) -> About:
    """What is told about the run; a run without about.yaml is named after its folder. Raises RunError."""
    if not folder.about.exists():
        return About(title=folder.path.name)
    try:
        data = dict(yaml.safe_load(folder.about.read_text()))
        if unknown := set(data) - {f.name for f in fields(About)}:
            raise ValueError(f"unknown entry {sorted(unknown)[0]!r}")
        return About(**data | {"date": str(data.get("date", ""))})  # YAML reads a bare date as a date
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise RunError(f"{folder.about} cannot be used: {error}") from error


# ---------------------------------------------------------------- events

def append_event(folder: RunFolder, event: Event) -> None:
    """Adds one line to events.jsonl and flushes it; a film strip's images go to film/ first.

    An unterminated last line, left by a killed process, is cut off. Raises OSError when the disk refuses.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    data = {"type": type(event).__name__, **event_data(folder, event)}
    line = json.dumps(data, default=lambda scalar: scalar.item()) + "\n"
    with folder.events.open("ab+") as file:
        cut_unterminated_line(file)
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read_events(folder: RunFolder) -> list[Event]:
    """The events of a run in order, without an unterminated last line; none when nothing was recorded.

    Raises RunError for a line that is not an event, or a film strip whose images are gone.
    """
    return [event_from_data(folder, number, data) for number, data in enumerate(event_lines(folder), 1)]


def event_lines(folder: RunFolder) -> list[dict]:
    if not folder.events.exists():
        return []
    lines = folder.events.read_bytes().split(b"\n")[:-1]  # what follows the last newline is not whole
    parsed = []
    for number, line in enumerate(lines, 1):
        try:
            parsed.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise RunError(f"Line {number} of {folder.events} is damaged ({error}): restore it, "
                           "or start a new run.") from error
    return parsed


def cut_unterminated_line(file: BinaryIO) -> None:
    """Truncates an open binary file after its last newline."""
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        if whole < size:
            file.truncate(whole)


def event_data(folder: RunFolder, event: Event) -> dict:
    """An event as JSON-ready data; paths inside the folder are kept relative, so that a run can move."""
    if isinstance(event, FilmStrip):
        name = f"{event.step:06d}.webp"
        folder.film.mkdir(parents=True, exist_ok=True)
        save_sheet(folder.film / name, event.images)
        return {"step": event.step, "prompt": event.prompt, "sheet": name, "shape": list(event.images.shape)}
    data = asdict(event)
    if isinstance(event, Saved | Finished):
        inside = event.adapter.is_relative_to(folder.path)
        data["adapter"] = str(event.adapter.relative_to(folder.path) if inside else event.adapter)
    return data


def event_from_data(folder: RunFolder, number: int, data: dict) -> Event:
    try:
        kind = EVENT_TYPES[data["type"]]
        values = {k: v for k, v in data.items() if k != "type"}
        if kind is FilmStrip:
            images = load_sheet(folder.film / Path(values.pop("sheet")).name, values.pop("shape"))
            return FilmStrip(images=images, **values)
        if "adapter" in values:
            values["adapter"] = folder.path / values["adapter"]
        return kind(**values)
    except RunError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"Line {number} of {folder.events} is not an event ({error}).") from error


# ---------------------------------------------------------------- comparisons

def save_comparisons(folder: RunFolder, comparisons: Sequence[PromptComparison]) -> None:
    """Writes comparisons.json and one sheet of images a prompt and side.

    Sheets are named by their content, and the earlier ones are removed only after comparisons.json is in place:
    a full disk (OSError) leaves the earlier comparisons readable.
    """
    folder.images.mkdir(parents=True, exist_ok=True)
    records = [comparison_data(folder, c) for c in comparisons]
    text = json.dumps(records)
    write_atomically(folder.comparisons, lambda path: path.write_text(text))
    used = {record[side]["sheet"] for record in records for side in ("original", "tuned")}
    for path in folder.images.glob("*.webp"):
        if path.name not in used:
            path.unlink()


def load_comparisons(folder: RunFolder) -> list[PromptComparison]:
    """Everything as it was saved but the pixels, which are lossy; none when nothing was compared yet.

    Raises RunError for a damaged file or missing images.
    """
    if not folder.comparisons.exists():
        return []
    try:
        return [comparison_from_data(folder, record) for record in json.loads(folder.comparisons.read_text())]
    except RunError:
        raise
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
    """An array as JSON: Python writes floats so that they read back exactly."""
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": array.ravel().tolist()}


def array_from_data(data: dict) -> np.ndarray:
    return np.array(data["values"], dtype=data["dtype"]).reshape(data["shape"])


# ---------------------------------------------------------------- images

def save_sheet(path: Path, images: np.ndarray) -> None:
    """Images uint8 [n, h, w, 3] as one lossy webp, about as many columns as rows. Raises RunError, OSError."""
    n, height, width, _ = images.shape
    if n == 0:
        raise RunError("There are no images to save: generate at least one.")
    columns, rows = sheet_layout(n)
    if max(columns * width, rows * height) > WEBP_LARGEST_SIDE:
        raise RunError(f"{n} images of {width} x {height} are too many for one sheet: save fewer images a prompt.")
    sheet = np.zeros((rows * columns, height, width, 3), np.uint8)
    sheet[:n] = images
    pixels = sheet.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    picture = Image.fromarray(pixels)
    write_atomically(path, lambda part: picture.save(part, format="WEBP", quality=WEBP_QUALITY))


def load_sheet(path: Path, shape: Sequence[int]) -> np.ndarray:
    """The inverse of save_sheet but for the loss: uint8 of `shape`. Raises RunError for a missing or foreign sheet."""
    n, height, width, channels = shape
    columns, rows = sheet_layout(n)
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise RunError(f"The images {path} cannot be read ({error}): restore the file, or compare again.") from error
    if pixels.shape != (rows * height, columns * width, channels):
        raise RunError(f"The images {path} are {pixels.shape[1]} x {pixels.shape[0]} pixels, not "
                       f"{columns * width} x {rows * height}: the file belongs to another run.")
    tiles = pixels.reshape(rows, height, columns, width, channels).swapaxes(1, 2)
    return tiles.reshape(rows * columns, height, width, channels)[:n].copy()


def sheet_layout(n: int) -> tuple[int, int]:
    """Columns and rows of a nearly square sheet of n images."""
    columns = math.isqrt(n - 1) + 1
    return columns, -(-n // columns)


# ---------------------------------------------------------------- history and download

def list_runs(root: Path) -> list[RunSummary]:
    """The runs under `root`, newest first; one that cannot be read is listed with its problem."""
    folders = [RunFolder(p) for p in root.iterdir() if p.is_dir()] if root.is_dir() else []
    runs = [summary(f) for f in folders if f.config.exists() or f.about.exists()]
    return sorted(runs, key=lambda run: (run.about.date or file_date(run.folder.path), run.run_id), reverse=True)


def summary(folder: RunFolder) -> RunSummary:
    """A run's line in the history, without reading its images."""
    present = {"has_adapter": folder.adapter.exists(), "has_comparisons": folder.comparisons.exists()}
    try:
        about, config, lines = read_about(folder), read_config(folder), event_lines(folder)
    except RunError as error:
        about = About(title=folder.path.name)
        return RunSummary(folder.path.name, folder, about, "unreadable", 0, 0, **present, problem=str(error))
    step = max((line.get("step", 0) for line in lines), default=0)
    total = max((line.get("total_steps", 0) for line in lines), default=config.steps)
    status = lines[-1].get("reason", "unfinished") if lines else "unfinished"
    return RunSummary(folder.path.name, folder, about, status, step, total, **present)


def file_date(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).isoformat(timespec="seconds")


def bundle(folder: RunFolder) -> Path:
    """One zip to publish or hand on, beside the run: adapter, settings, metrics as CSV, HTML report, model card.

    Unpacked, it is a repository that diffusers' load_lora_weights reads. Raises RunError when there is no adapter.
    """
    if not folder.adapter.exists():
        raise RunError("This run has no adapter yet: finetune at least until the first save.")
    config, about = read_config(folder), read_about(folder)
    comparisons, events = load_comparisons(folder), read_events(folder)
    table = metrics_table(comparisons, config.target())
    texts = {
        "README.md": model_card(config, table, about),
        "metrics.csv": to_csv(table),
        "report.html": to_html(config, [e for e in events if isinstance(e, StepDone)], comparisons, about),
        "config.yaml": folder.config.read_text(),
    }

    def write(path: Path) -> None:
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            archive.write(folder.adapter, ADAPTER_NAME)
            for name, text in texts.items():
                archive.writestr(name, text)

    path = folder.path / f"{folder.path.name}.zip"
    write_atomically(path, write)
    return path
