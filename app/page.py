"""The page as a value: components by name, and which touch calls which handler.

A handler takes values by name and answers with updates by name; what it leaves out stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.errors import readable_errors
from app.html.fragment import fragment
from app.reading import read
from app.zero_gpu import is_here as on_zero_gpu

Values, Updates = dict[str, Any], dict[str, Any]
# the queue's requests alone carry what ZeroGPU knows a visitor by; elsewhere it would only slow the page down
# what is sent is read by app.reading, which takes anything: gradio refuses a value beyond a field's first bounds or choices
QUIET = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None, "queue": on_zero_gpu(),
         "preprocess": False}


@dataclass(frozen=True)
class Piece:
    """A part of the page: drawn anew only when its key changed, so that plots do not flicker."""

    key: Any
    draw: Callable[[], Any]


class Page(dict[str, Any]):
    """Components by name. view_inputs: the names whose values decide what a refresh shows; shows: those it may change."""

    def __init__(self, view_inputs: Sequence[str], shows: Sequence[str]):
        super().__init__()
        self.view_inputs, self.shows = tuple(view_inputs), tuple(shows)

    def on(self, trigger: Callable, handler: Callable[[Values], Updates], reads: Sequence[str], writes: Sequence[str],
           **options: Any):
        """Calls `handler` with the values named in `reads`; its answer may change what is named in `writes` alone."""
        def call(*sent: Any) -> dict:
            with readable_errors():
                return self.named(handler(self.read(reads, sent)) or {writes[0]: gr.skip()})  # gradio takes no empty answer
        return trigger(call, self.called(reads), self.called(writes), **QUIET | options)

    def asks(self, trigger: Callable, handler: Callable[[Values], Updates], reads: Sequence[str] = (),
             writes: Sequence[str] = (), **options: Any) -> Any:
        """As `on`, for a touch that may show another job: its id is put where a reload finds it, once it is known."""
        asked = self.on(trigger, handler, (*self.view_inputs, *reads), ("job_id", *self.shows, *writes), **options)
        asked.then(None, [self["job_id"]], [self["last_job"]], js="rememberJob", api_visibility="private", show_progress="hidden")
        return asked

    def read(self, names: Sequence[str], sent: Sequence[Any]) -> Values:
        """What a browser sent for these components, each as a value of its kind."""
        return {name: read(self[name], value) for name, value in zip(names, sent, strict=True)}

    def called(self, names: Sequence[str]) -> list[Any]:
        return [self[name] for name in names]

    def named(self, updates: Updates) -> dict:
        return {self[name]: value for name, value in updates.items()}


def unless_shown(value: Any, shown: Any) -> dict[str, Any]:
    """The part of an update that sets a choice: a visitor may have chosen again while the answer is on its way."""
    return {} if value == shown else {"value": value}


def known_or_first(value: Any, choices: Sequence[tuple[str, str]]) -> str:
    """A value among the choices (shown, value); anything else is the first."""
    values = [choice for _, choice in choices]
    return value if value in values else values[0]


def title(number: int, text: str) -> None:
    gr.HTML(fragment("step_title", number=number, text=text), elem_classes="step-title", elem_id=f"step-{number}")
