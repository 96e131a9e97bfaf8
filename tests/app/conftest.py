"""A served page on the engine double, on a free port."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from helpers.fake_engine import Recorder, fake_engine

from app.engine import Engine
from app.jobs.runner import JobRunner
from app.jobs.visitors import Visitors
from app.launch import launch_options
from app.layout import build_app


@dataclass(frozen=True)
class Served:
    url: str
    runner: JobRunner
    runs_root: Path


@pytest.fixture(scope="module", autouse=True)
def report_in_zips() -> Iterator[None]:
    """A word in its place: to draw it takes longer than all else that a run of the double does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("fairness_core.runs.bundle"), "to_html", lambda *_: "a report")
        yield


@contextmanager
def serving(folder: Path) -> Iterator[Callable[..., Served]]:
    """Starts the app, its runs kept under `folder`; every server it started is closed at the end."""
    running = []

    def start(engine: Engine | None = None, runs_root: Path | None = None, recorded: Path | None = None,
              visitors: Visitors | None = None) -> Served:
        root = runs_root or folder / "runs"
        demo = build_app(engine or fake_engine(.05), root, recorded or folder / "recorded", visitors)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        _, url, _ = demo.launch(**launch_options(), server_port=port, prevent_thread_lock=True, quiet=True)
        running.append(demo)
        return Served(url.rstrip("/"), demo.runner, root)

    yield start
    for demo in running:
        demo.runner.close()
        demo.close(verbose=False)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    with serving(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def serve_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """Servers that all tests of a file share."""
    with serving(tmp_path_factory.mktemp("shared")) as start:
        yield start


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def make(tmp_path: Path, recorder: Recorder):
    made = []

    def runner(seconds: float = .01, root: Path | None = None, recorded: Path | None = None) -> JobRunner:
        made.append(JobRunner(fake_engine(seconds, recorder), root or tmp_path / "runs", recorded or tmp_path / "none"))
        return made[-1]
    yield runner
    for one in made:
        one.close()
