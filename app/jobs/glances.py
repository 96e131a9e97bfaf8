"""What the list of runs shows of each, kept in one file: a list of a hundred runs need not read all their pictures."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.jobs.files import HistoryLine
from fairness_core import runs
from fairness_core.errors import UserError
from fairness_core.files import write_atomically

log = logging.getLogger(__name__)


class Glances:
    """make: JSON-ready data of a run's request and comparisons; made anew only when the comparison changed."""

    def __init__(self, runs_root: Path, make: Callable[..., dict]):
        self.runs_root, self.make, self.lock = runs_root, make, threading.Lock()
        self.path = runs_root / "glances.json"

    def of(self, lines: Sequence[HistoryLine]) -> dict[str, dict]:
        """By id; a run without pictures, or one that cannot be read, is left out."""
        with self.lock:
            kept = self.read()
            found = {line.job_id: self.entry(line, kept.get(line.job_id)) for line in lines}
            found = {job_id: entry for job_id, entry in found.items() if entry}
            if changed := {job_id: entry for job_id, entry in found.items() if kept.get(job_id) != entry}:
                self.write({name: entry for name, entry in (kept | changed).items() if (self.runs_root / name).is_dir()})
        return {job_id: entry["seen"] for job_id, entry in found.items()}

    def entry(self, line: HistoryLine, kept: dict | None) -> dict | None:
        """What is kept, where it is of the comparison as it is now."""
        folder = runs.run_path(self.runs_root, line.job_id)
        try:
            key = [path.stat().st_mtime_ns for path in (folder.comparisons, folder.corrections) if path.exists()]
            if not key:
                return None
            if kept and kept["key"] == key:
                return kept
            return {"key": key, "seen": self.make(line.request, runs.load_comparisons(folder))}
        except (UserError, OSError) as error:
            log.warning("no pictures of run %s are listed: %s", line.job_id, error)
            return None

    def read(self) -> dict[str, Any]:
        """Nothing where the file is not there or damaged: it is made anew."""
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return {}

    def write(self, entries: dict) -> None:
        """A disk that refuses costs the time to make them again, not the list."""
        try:
            write_atomically(self.path, lambda part: part.write_text(json.dumps(entries), encoding="utf-8"))
        except OSError as error:
            log.warning("the pictures of the list of runs cannot be kept: %s", error)
