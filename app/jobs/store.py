"""Jobs that are over, from their folders: runs made here, and the recorded ones that ship with the app."""

import json
import logging
import threading
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from app.jobs.files import (ACTIVE, CHECK, INTERRUPTED, STATE_FILE, HistoryLine, JobError, JobView, history_line,
                            read_view, recorded_view, write_json)
from app.jobs.lab import POINTS_FILE
from fairness_core import runs
from fairness_core.about import About

KEPT_VIEWS = 6
PANEL_FOLDER, LAB_FOLDER = "must-not-move", "gradient-lab"  # in a recorded run, and beside the recorded runs
log = logging.getLogger(__name__)


class JobStore:
    """Reads run folders; the views of the last few are kept in memory.

    runs_root: where run folders are made; recorded_root: finished runs that ship with the app, read only.
    """

    def __init__(self, runs_root: Path, recorded_root: Path):
        self.runs_root, self.recorded_root = runs_root, recorded_root
        self.lock = threading.Lock()
        self.views: dict[tuple, JobView] = {}
        runs_root.mkdir(parents=True, exist_ok=True)

    def mark_interrupted(self) -> list[str]:
        """The ids of jobs that a killed server left waiting or running, which are told so."""
        found = []
        for path in self.runs_root.glob(f"*/{STATE_FILE}"):
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
                if data["state"] in ACTIVE:
                    write_json(path, data | {"state": INTERRUPTED})
                    found.append(path.parent.name)
            except (OSError, ValueError, KeyError) as error:
                log.warning("%s cannot be read: %s", path, error)
        return sorted(found)

    def left_behind(self, job_ids: Iterable[str]) -> list[JobView]:
        """Those of interrupted finetunes with which nobody went on since."""
        views = []
        for job_id in job_ids:
            try:
                views.append(self.view(job_id))
            except JobError as error:
                log.warning("run %s is not offered: %s", job_id, error)
        return [view for view in views if view.state == INTERRUPTED and view.can_resume]

    def view(self, job_id: str) -> JobView:
        """Raises JobError for an id that is malformed or unknown, or a damaged folder."""
        try:
            folder = runs.run_path(self.runs_root, job_id)
            recorded = not (folder.path / STATE_FILE).exists()
            if recorded:
                folder = runs.run_path(self.recorded_root, job_id)
                if not folder.config.exists():
                    raise JobError(f"There is no run {job_id}: it may have been removed. Start a new one.")
            return self.read(folder, recorded)
        except runs.RunError as error:
            raise JobError(str(error)) from error

    def read(self, folder: runs.RunFolder, recorded: bool) -> JobView:
        """Anew only when the folder has changed."""
        read = [folder.config if recorded else folder.path / STATE_FILE, folder.corrections]
        key = (str(folder.path), *(path.stat().st_mtime_ns for path in read if path.exists()))
        with self.lock:
            if key not in self.views:
                self.views[key] = recorded_view(folder, runs.read_config(folder)) if recorded else read_view(folder)
                while len(self.views) > KEPT_VIEWS:
                    self.views.pop(next(iter(self.views)))
            return self.views[key]

    def history(self) -> list[HistoryLine]:
        """Every job made here, newest first."""
        lines = []
        for path in self.runs_root.glob(f"*/{STATE_FILE}"):
            try:
                lines.append(history_line(runs.RunFolder(path.parent)))
            except runs.RunError as error:
                log.warning("run %s is left out of the history: %s", path.parent.name, error)
        return sorted(lines, key=lambda line: line.created, reverse=True)

    @cached_property
    def recorded_runs(self) -> dict[str, About]:
        """What is told of the runs that ship with the app, by id: the one to be seen first, then the others from the longest."""
        found = {}
        for path in sorted(self.recorded_root.glob("*/config.yaml")):
            try:
                found[path.parent.name] = runs.read_about(runs.RunFolder(path.parent))
            except runs.RunError as error:
                log.warning("the recorded run %s cannot be shown: %s", path.parent.name, error)
        return dict(sorted(found.items(), key=lambda run: (run[1].seen_first, run[1].seconds), reverse=True))

    def recorded_panel(self, run_id: str) -> JobView | None:
        """What must not move, as it was painted for a run that ships with the app; None where it was not."""
        run = runs.RunFolder(self.recorded_root / run_id)
        folder = runs.RunFolder(run.path / PANEL_FOLDER)
        if run_id not in self.recorded_runs or not folder.comparisons.exists():
            return None
        with self.lock:
            key = (str(folder.path), folder.comparisons.stat().st_mtime_ns)
            if key not in self.views:
                self.views[key] = recorded_view(folder, runs.read_config(run), CHECK, source=run_id)
            return self.views[key]

    def recorded_lab(self) -> Path | None:
        """The folder of the measurement that ships with the app, if there is one."""
        folder = self.recorded_root / LAB_FOLDER
        return folder if (folder / POINTS_FILE).exists() else None

    def recorded(self) -> JobView | None:
        """The first run that ships with the app, if there is one."""
        try:
            return self.view(next(iter(self.recorded_runs))) if self.recorded_runs else None
        except JobError as error:
            log.warning("the recorded run cannot be shown: %s", error)
            return None
