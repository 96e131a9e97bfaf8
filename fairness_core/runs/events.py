"""events.jsonl: one line an event, written as it happens, readable after a crash."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fairness_core.events import Event, FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.runs.folder import RunError, RunFolder
from fairness_core.runs.sheets import WEBP_QUALITY, load_sheet, save_sheet
from fairness_core.strict_json import to_json, with_nan

EVENT_TYPES = {kind.__name__: kind for kind in (Started, StepDone, FilmStrip, Saved, Finished)}


def append_event(folder: RunFolder, event: Event, film_quality: int = WEBP_QUALITY) -> None:
    """Adds one line to events.jsonl and flushes it; a film strip's images go to film/ first, as webp of `film_quality`.

    An unterminated last line, left by a killed process, is cut off. Raises OSError when the disk refuses.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    data = {"type": type(event).__name__, **event_data(folder, event, film_quality)}
    line = to_json(data) + "\n"
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


def event_data(folder: RunFolder, event: Event, film_quality: int) -> dict:
    """An event as JSON-ready data; paths inside the folder are kept relative, so that a run can move."""
    if isinstance(event, FilmStrip):
        name = f"{event.step:06d}{f'-{event.place}' if event.place else ''}.webp"
        folder.film.mkdir(parents=True, exist_ok=True)
        save_sheet(folder.film / name, event.images, film_quality)
        return {"step": event.step, "prompt": event.prompt, "place": event.place, "sheet": name,
                "shape": list(event.images.shape)} | perceived_data(event)
    data = asdict(event)
    if isinstance(event, Saved | Finished):
        inside = event.adapter.is_relative_to(folder.path)
        data["adapter"] = str(event.adapter.relative_to(folder.path) if inside else event.adapter)
    return data


def perceived_data(strip: FilmStrip) -> dict:
    """What is perceived in a film strip, where that is known: probabilities to 4 digits, more than is ever shown."""
    if strip.found is None:
        return {}
    return {"found": strip.found.tolist(),
            "probabilities": {name: np.round(p.astype(float), 4).tolist() for name, p in strip.probabilities.items()}}


def strip_from_data(folder: RunFolder, values: dict) -> FilmStrip:
    images = load_sheet(folder.film / Path(values.pop("sheet")).name, values.pop("shape"))
    if "found" in values:
        values["found"] = np.array(values["found"], bool)
        values["probabilities"] = {name: np.array(p, float) for name, p in values["probabilities"].items()}
    return FilmStrip(images=images, **values)


def event_from_data(folder: RunFolder, number: int, data: dict) -> Event:
    try:
        kind = EVENT_TYPES[data["type"]]
        values = {k: v for k, v in data.items() if k != "type"}
        if kind is FilmStrip:
            return strip_from_data(folder, values)
        if "adapter" in values:
            values["adapter"] = folder.path / values["adapter"]
        return kind(**with_nan(values))
    except RunError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"Line {number} of {folder.events} is not an event ({error}).") from error
