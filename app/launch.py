"""Where the app runs: folders, address, look."""

import os
from pathlib import Path

from app.engine import Engine
from app.layout import build_app
from app.theme import CSS, theme
from fairness_core.attributes import ASSETS

RECORDED = ASSETS / "recorded"


def launch(engine: Engine) -> None:
    """Serves the page until interrupted.

    Environment: FAIRNESS_RUNS_DIR (where runs are kept, ./runs), GRADIO_SERVER_NAME, GRADIO_SERVER_PORT (7860).
    """
    runs_root = Path(os.environ.get("FAIRNESS_RUNS_DIR", "runs")).resolve()
    demo = build_app(engine, runs_root, RECORDED)
    port = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    try:
        demo.launch(**launch_options(), server_port=port)
    finally:
        demo.runner.close()


def launch_options() -> dict:
    """Arguments of Blocks.launch that tests share. No folder is served: downloads are copies in the page's cache."""
    return {"theme": theme(), "css": CSS, "ssr_mode": False, "mcp_server": True, "footer_links": ["api", "settings"], "show_error": True}
