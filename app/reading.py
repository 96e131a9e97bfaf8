"""What a browser sends for a component -> a value of the component's kind: a field can hold anything, and none of it is
an error before a room has looked at it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder


def read(component: Any, sent: Any) -> Any:
    """Text: "" for what is none. Numbers: within a number field's bounds, None for nothing; a slider has no nothing. A
    choice: text or None, a list of texts where several are taken; whether it is one of the choices is the room's to say,
    for these change with what is shown. An upload: its path, or None; of several files those that are uploads."""
    for kinds, reader in READERS:
        if isinstance(component, kinds):
            return reader(component, sent)
    return sent


def text(component: gr.Textbox, sent: Any) -> str:
    """Half characters, which no file can hold, become question marks."""
    return sent.encode(errors="replace").decode() if isinstance(sent, str) else ""


def number(component: gr.Number, sent: Any) -> float | None:
    """Whole where the field asks for it."""
    value = finite(sent)
    if value is None:
        return None
    low, high = component.minimum, component.maximum
    value = min(max(value, -math.inf if low is None else low), math.inf if high is None else high)
    return gr.Number.round_to_precision(value, component.precision)


def slider(component: gr.Slider, sent: Any) -> float:
    """Its end may have moved since the page was built: a room that must not go beyond it says so."""
    value = finite(sent)
    return component.minimum if value is None else max(value, component.minimum)


def finite(sent: Any) -> float | None:
    """A number as it was sent, which may be text; None for anything else."""
    try:
        value = float(sent) if isinstance(sent, str) else sent
        return value if math.isfinite(value) and not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        return None


def choice(component: gr.Dropdown | gr.Radio, sent: Any) -> Any:
    if getattr(component, "multiselect", False):
        return choices(component, sent)
    return text(component, sent) if isinstance(sent, str) else None


def choices(component: gr.Dropdown | gr.CheckboxGroup, sent: Any) -> list[str]:
    return [text(component, one) for one in sent if isinstance(one, str) and one] if isinstance(sent, list) else []


def ticked(component: gr.Checkbox, sent: Any) -> bool:
    return sent is True


def record(component: gr.JSON, sent: Any) -> dict[str, str]:
    """Texts by name, which is all that this page keeps in one."""
    known = sent.items() if isinstance(sent, dict) else ()
    return {text(component, name): text(component, value) for name, value in known if isinstance(value, str)}


def upload(component: gr.UploadButton | gr.File, sent: Any) -> Path | None:
    """Only what was uploaded: a path from elsewhere on this machine is none."""
    path = sent.get("path") if isinstance(sent, dict) else None
    if not isinstance(path, str) or "\0" in path:
        return None
    path = Path(path).resolve()
    return path if path.is_relative_to(Path(get_upload_folder()).resolve()) and path.is_file() else None


def uploads(component: gr.File, sent: Any) -> list[Path]:
    found = [upload(component, one) for one in sent] if isinstance(sent, list) else []
    return [path for path in found if path]


READERS: tuple[tuple[Any, Callable[[Any, Any], Any]], ...] = (
    (gr.Textbox, text), (gr.Number, number), (gr.Slider, slider), (gr.CheckboxGroup, choices), (gr.Checkbox, ticked),
    ((gr.Dropdown, gr.Radio), choice), (gr.UploadButton, upload), (gr.File, uploads), (gr.JSON, record))
