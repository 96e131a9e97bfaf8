"""Where the app runs: folders, address, limits, look."""

import os
import signal
import threading
from pathlib import Path

from app.engine import Engine
from app.jobs.limits import Limits, own_limits
from app.jobs.visitors import Visitors
from app.layout import build_app
from app.theme import look
from fairness_core.settings.attributes import ASSETS

RECORDED = ASSETS / "recorded"
LARGEST_UPLOAD = 1024  # megabytes, where nothing is limited


def launch(engine: Engine) -> None:
    """Serves the page until interrupted, by Ctrl-C or a machine that asks it to end (SIGTERM): the step at work is finished
    and saved first. Raises SystemExit with what to do when the runs' folder cannot be written.

    Environment: FAIRNESS_RUNS_DIR (where runs are kept, ./runs), FAIRNESS_SHARED (1: limits for each visitor, as on a
    Space; 0: none), GRADIO_SERVER_NAME, GRADIO_SERVER_PORT (7860).
    """
    limits = own_limits()
    demo = build_app(engine, runs_folder(), RECORDED, Visitors(limits))
    port = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    threading.Thread(target=demo.first_look, daemon=True).start()  # while the browser loads the page
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        demo.launch(**launch_options(limits), server_port=port)
    finally:
        demo.runner.close()


def runs_folder() -> Path:
    """Where runs are kept, made if need be. Raises SystemExit when it cannot be written."""
    folder = Path(os.environ.get("FAIRNESS_RUNS_DIR", "runs")).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"Runs cannot be kept in {folder} ({error.strerror}): set FAIRNESS_RUNS_DIR to a folder that "
                         "can be written.") from error
    if not os.access(folder, os.W_OK):
        raise SystemExit(f"Runs cannot be kept in {folder}, which cannot be written: set FAIRNESS_RUNS_DIR to another "
                         "folder.")
    return folder


def launch_options(limits: Limits | None = None) -> dict:
    """Arguments of Blocks.launch that tests share. No folder is served: downloads are copies in the page's cache."""
    largest = limits.upload_megabytes if limits else LARGEST_UPLOAD
    return {**look(), "ssr_mode": False, "mcp_server": True, "footer_links": ["api", "settings"], "show_error": True,
            "max_file_size": f"{largest}mb"}
