"""Files that a visitor may download: copies in the page's cache, so that no folder of runs is served."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache, save_file_to_cache, save_pil_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from app.page import Piece


def download_piece(path: Path | None) -> Piece:
    """A download button, drawn anew when there is another file under the name: steps were added, faces corrected."""
    found = path.stat() if path and path.exists() else None
    return Piece((str(path), found and (found.st_mtime_ns, found.st_size)), lambda: download(found and path))


def download(path: Path | None) -> Any:
    """A download button's update: hidden when there is nothing to download."""
    copy = save_file_to_cache(path, get_upload_folder()) if path and path.exists() else None  # a run may have gone on since
    return gr.update(value=copy, visible=copy is not None)


def download_text(name: str, text: str) -> Any:
    """A download button's update: a file of this name with this text."""
    return gr.update(value=save_bytes_to_cache(text.encode("utf-8"), name, get_upload_folder()), visible=True)


def download_picture(name: str, picture: Image.Image) -> Any:
    """The same for a picture, as PNG; name: without its end."""
    return gr.update(value=save_pil_to_cache(picture, get_upload_folder(), name, "png"), visible=True)
