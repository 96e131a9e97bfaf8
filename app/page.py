"""The page as a value: components by name, and which touch calls which handler.

A handler takes values by name and answers with updates by name; what it leaves out stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.errors import readable_errors
from app.html.fragment import fragment
from app.zero_gpu import is_here as on_zero_gpu

Values, Updates = dict[str, Any], dict[str, Any]
# the queue's requests alone carry what ZeroGPU knows a visitor by; elsewhere it would only slow the page down
QUIET = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None, "queue": on_zero_gpu()}


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
        def call(*values: Any) -> dict:
            with readable_errors():
                return self.named(handler(dict(zip(reads, values))))
        return trigger(call, self.called(reads), self.called(writes), **QUIET | options)

    def asks(self, trigger: Callable, handler: Callable[[Values], Updates], reads: Sequence[str] = (),
             writes: Sequence[str] = ()) -> None:
        """As `on`, for a touch that may show another job: its id is put where a reload finds it, once it is known."""
        self.on(trigger, handler, (*self.view_inputs, *reads), ("job_id", *self.shows, *writes)).then(
            None, [self["job_id"]], [self["last_job"]], js="rememberJob", api_visibility="private", show_progress="hidden")

    def called(self, names: Sequence[str]) -> list[Any]:
        return [self[name] for name in names]

    def named(self, updates: Updates) -> dict:
        return {self[name]: value for name, value in updates.items()}


def unless_shown(value: Any, shown: Any) -> dict[str, Any]:
    """The part of an update that sets a choice: a visitor may have chosen again while the answer is on its way."""
    return {} if value == shown else {"value": value}


def title(number: int, text: str) -> None:
    gr.HTML(fragment("step_title", number=number, text=text), elem_classes="step-title", elem_id=f"step-{number}")
