"""Lists that tell the prompt of each picture: CSV, JSON, JSON lines."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from fairness_core.pictures.limits import PicturesError, Skipped, Unusable
from fairness_core.pictures.sources import Found

FILE_COLUMNS = ("file_name", "filename", "file", "path", "image", "picture", "name")
PROMPT_COLUMNS = ("prompt", "caption", "text", "description", "concept")
HOW = "write a column file_name and a column prompt (in JSON, {\"picture.png\": \"the prompt\", ...})"


def listed_prompts(lists: Sequence[Found], pictures: Sequence[Found]) -> tuple[dict[str, str], list[Skipped]]:
    """Picture's name -> its prompt, and the lists that tell none. A picture is named with its folders or without.

    Raises PicturesError where a name without folders could be several pictures.
    """
    prompts: dict[str, str] = {}
    skipped = []
    by_path = {f.name: f.name for f in pictures}
    short = Counter(PurePosixPath(f.name).name for f in pictures)
    by_name = {PurePosixPath(f.name).name: f.name for f in pictures}
    for found in lists:
        try:
            rows = list(rows_of(found))
        except Unusable as error:
            skipped.append(Skipped(found.name, str(error)))
            continue
        beside = PurePosixPath(found.name).parent
        for name, prompt in rows:
            known = by_path.get((beside / name).as_posix()) or by_path.get(name) or by_name.get(PurePosixPath(name).name)
            if known and known not in (name, (beside / name).as_posix()) and short[PurePosixPath(name).name] > 1:
                raise PicturesError(f"{found.name} names {name!r}, and {short[PurePosixPath(name).name]} pictures are called "
                                    "so: write the folder before the name, as in men/1.png.")
            if known and prompt:
                prompts[known] = prompt
    return prompts, skipped


def rows_of(found: Found) -> Iterator[tuple[str, str]]:
    """(file name, prompt) of a list's rows. Raises Unusable where it is none."""
    try:
        text = found.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable("not text in UTF-8") from None
    try:
        rows = list(ROWS[found.suffix](text))
    except (ValueError, csv.Error, RecursionError):
        raise Unusable(f"cannot be read as {found.suffix.removeprefix('.')}") from None
    told = [pair for pair in map(pair_of, rows) if pair]
    if not told:
        raise Unusable(f"tells no prompts: {HOW}")
    yield from told


def pair_of(row: Any) -> tuple[str, str] | None:
    """A row's file and prompt; None where it has not both, or they are no text."""
    if not isinstance(row, Mapping):
        return None
    plain = {str(name).strip().lower(): value for name, value in row.items()}
    file, prompt = (next((plain[c] for c in columns if isinstance(plain.get(c), str)), "")
                    for columns in (FILE_COLUMNS, PROMPT_COLUMNS))
    file = file.strip().replace("\\", "/").removeprefix("./")
    return (file, " ".join(prompt.split())) if file else None


def csv_rows(text: str) -> Iterable[Mapping]:
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)  # what spreadsheets write depends on the country
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)


def json_rows(text: str) -> Iterable[Mapping]:
    """A list of rows, or a mapping of a picture's name to its prompt or its row."""
    data = json.loads(text)
    if isinstance(data, dict):
        return [{**value, "file_name": name} if isinstance(value, dict) else {"file_name": name, "prompt": value}
                for name, value in data.items()]
    return data if isinstance(data, list) else []


def json_lines(text: str) -> Iterable[Mapping]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


ROWS = {".csv": csv_rows, ".json": json_rows, ".jsonl": json_lines}
