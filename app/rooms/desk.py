"""What every room shares: the job on the page, and the page as it should be now. No math."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

from app.html import render
from app.jobs.files import Failure, JobError, JobView
from app.jobs.pace import Pace, steps_within
from app.jobs.runner import JobRunner
from app.page import Page, Piece, Updates, Values
from fairness_core.errors import UserError, words_for

KEPT_TEXTS = 200
# A look while another is on its way is not lost.
LOOKS = {"trigger_mode": "always_last"}


class Room(Protocol):
    """A part of the page in a module of its own. view_inputs: the components that its pieces read; shows: its pieces."""

    view_inputs: Sequence[str]
    shows: Sequence[str]

    def build(self, page: Page) -> None:
        """Makes the room's components, where the page is being built."""

    def wire(self, page: Page) -> None:
        """Connects them to the room's handlers, once every room is built."""

    def pieces(self, view: JobView | None, values: Values) -> dict[str, Piece]:
        """What the room shows of a job."""


class Desk:
    """What the rooms ask for together: the runner, the job on the page, and a refresh of all rooms."""

    def __init__(self, runner: JobRunner):
        self.runner = runner
        self.rooms: Sequence[Room] = ()
        self.lock = threading.Lock()
        self.kept: dict[tuple[str, str], str] = {}

    @cached_property
    def presets(self) -> dict:
        """How long to finetune toward the visitor's own target, by name."""
        return {name: self.within_budget(p) for name, p in self.lengths.items()}

    @cached_property
    def lengths(self) -> dict:
        """The same with as many steps as on a fast machine."""
        return {p.name: p for p in self.runner.engine.load_presets() if p.kind == "length"}

    def within_budget(self, preset: Any) -> Any:
        """With fewer steps where this machine is too slow for all of them."""
        steps = steps_within(preset.config.steps, self.pace(preset), preset.budget_seconds)
        return replace(preset, config=replace(preset.config, steps=steps))

    def pace(self, preset: Any) -> Pace:
        return self.runner.paces.of(preset.config, preset.seconds_per_step)

    def takes(self, preset: Any, steps: int, chosen: str = "") -> str:
        """What a preset does, and how long so many of its steps take here; None is the settings of a file or link.

        chosen: what the page asks for, in words.
        """
        if preset is None:
            return render.takes(None, steps, chosen=chosen)
        usual = self.lengths.get(preset.name, preset).config.steps
        return render.takes(preset, steps, self.pace(preset), usual if steps == preset.config.steps else steps, chosen)

    def length(self, values: Values) -> Any:
        """The chosen length; the first where settings of another origin are on the page."""
        return self.presets.get(values["length"]) or next(iter(self.presets.values()))

    @cached_property
    def experiments(self) -> dict:
        """Targets, prompts and settings that belong together, by name."""
        return {p.name: p for p in self.runner.engine.load_presets() if p.kind == "experiment"}

    def submitting(self, values: Values, ask: Callable[[], str]) -> Updates:
        """Asks the runner for something and shows the job; bad input becomes a red banner and changes nothing."""
        try:
            seen = {name: key for name, key in values["seen"].items() if name != "banner"}  # an earlier refusal goes
            return {"job_id": (job_id := ask())} | self.refresh(values | {"job_id": job_id, "seen": seen})
        except (UserError, OSError) as error:
            return {"banner": render.banner(Failure(words_for(error), "Nothing was started and nothing is lost."))}

    def redraws(self, page: Page, trigger: Callable, room: Room, handler: Callable[[Values], Updates] | None = None,
                reads: Sequence[str] = (), writes: Sequence[str] = (), **options: Any) -> Any:
        """A touch after which one room alone is drawn anew, by `handler` where it does more than look."""
        def look(values: Values) -> Updates:
            return self.refresh(values, room)
        looks = {} if handler else LOOKS
        return page.on(trigger, handler or look, ("job_id", "seen", *room.view_inputs, *reads),
                       ("banner", "seen", *room.shows, *writes), **looks | options)

    def refresh(self, values: Values, *rooms: Room) -> Updates:
        """Everything in these rooms, or on the whole page, that differs from what it shows.

        The whole page is drawn every second and when another job comes to it; a room after every touch in it.
        """
        failure = None
        try:
            view = self.view_of(values["job_id"])
        except JobError as error:
            view, failure = None, Failure(str(error), "Open it from the Runs tab, or start a new one.")
        failure = failure or (view.failure if view else None)
        pieces = {"banner": Piece(failure, lambda: render.banner(failure))}
        for room in rooms or self.rooms:
            pieces |= room.pieces(view, values)
        seen = dict(values["seen"] or {})
        draw = self.draw_for_all if view is None else lambda name, piece: piece.draw()
        marks = {name: mark(piece.key) for name, piece in pieces.items()}
        updates = {name: draw(name, pieces[name]) for name in pieces if seen.get(name) != marks[name]}
        return updates | {"seen": seen | marks}

    def draw_for_all(self, name: str, piece: Piece) -> Any:
        """A piece of the page without a job, which is everyone's first look: its text is drawn once and kept."""
        which = (name, repr(piece.key))
        with self.lock:
            if which in self.kept:
                return self.kept[which]
            drawn = piece.draw()
            if isinstance(drawn, str):
                self.kept[which] = drawn
                while len(self.kept) > KEPT_TEXTS:
                    self.kept.pop(next(iter(self.kept)))
            return drawn

    def view_of(self, job_id: str) -> JobView | None:
        return self.runner.view(job_id) if job_id else None

    def view_if_any(self, job_id: str) -> JobView | None:
        """A browser may remember what was deleted since, or hold anything: that is no job."""
        try:
            return self.view_of(job_id)
        except JobError:
            return None

    def known(self, job_id: str) -> str:
        """The id of a job that is still here; of any other nothing."""
        return job_id if isinstance(job_id, str) and self.view_if_any(job_id) else ""

    def shown(self, view: JobView | None) -> JobView | None:
        """Whose pictures step 3 shows: the job's, else those of the run it started from, else the first recorded run's."""
        for candidate in (view, self.source_of(view)):
            if candidate is not None and candidate.comparisons:
                return candidate
        return self.runner.recorded()

    def source_of(self, view: JobView | None) -> JobView | None:
        """The finetune behind a view: itself, or the run whose adapter a comparison uses."""
        try:
            return self.view_of(view.source) if view and view.source != view.job_id else view
        except JobError:
            return None


def mark(key: Any) -> str:
    """Of what a piece shows, short enough for the page to hold: only the page knows which answer came to it last."""
    return hashlib.blake2s(repr(key).encode(), digest_size=6).hexdigest()
