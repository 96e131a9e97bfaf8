"""An empty run folder."""

from pathlib import Path

import pytest

from fairness_core.runs import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "20250131-142501-9f2c1a")
