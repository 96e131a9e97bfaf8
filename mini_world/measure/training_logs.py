"""What the training scripts logged: steps, time and last losses of every part."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

LAST = 10  # records a loss is averaged over


def read_logs(folders: Sequence[Path]) -> list[dict]:
    """One row a *.jsonl of loop.train: folder, part, first and last step, minutes, mean of the last losses.

    Raises FileNotFoundError for a folder without logs.
    """
    rows = []
    for folder in folders:
        paths = sorted(folder.glob("*.jsonl"))
        if not paths:
            raise FileNotFoundError(f"{folder} holds no training log (*.jsonl): name the training scripts' --out.")
        rows += [summary(folder.name, path) for path in paths]
    return rows


def summary(folder: str, path: Path) -> dict:
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    seconds = [record["seconds"] for record in records]
    # the clock starts again with every continued run
    spent = sum(now for now, later in zip(seconds, [*seconds[1:], 0.0]) if later < now)
    losses = {k: round(float(np.mean([r[k] for r in records[-LAST:]])), 4)
              for k in records[-1] if k not in ("step", "seconds")}
    return {"folder": folder, "part": path.stem, "steps": records[-1]["step"] - records[0]["step"],
            "minutes": round(spent / 60, 1), "losses": losses}
