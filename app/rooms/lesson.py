"""A class guesses before it sees: one question at a time, asked, closed and revealed by the teacher.

Kept in the server's memory: the numbers, and no names.
"""

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import plotly.graph_objects as go

from fairness_core.errors import UserError
from fairness_core.metrics import percent, wilson_interval
from fairness_core.plots import SERIES, concept_name, style
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import load_attributes

BIN, MOST_GUESSES, MOST_CLASSES = 10, 500, 200
CLASS_NAME = re.compile(r"[a-z0-9-]{1,24}")
WAITING, OPEN, CLOSED, REVEALED = "waiting", "open", "closed", "revealed"
GUESS_COLOUR, OWN_COLOUR = SERIES[0][0], "#b3430c"


class ClassroomError(UserError):
    """Something a class cannot do; the message says why."""


@dataclass(frozen=True)
class Question:
    """How many of 100 pictures of a prompt, in the comparison of a job, are perceived as this class?"""

    job_id: str
    prompt: str
    attribute: str
    class_name: str


@dataclass(frozen=True)
class Lesson:
    """What goes on in a class. guesses: percent by student, of whom only a random id is known."""

    state: str = WAITING
    question: Question | None = None
    guesses: dict[str, int] = field(default_factory=dict)


class Classroom:
    """Many classes at once, each with a teacher who holds its key; the oldest make room for new ones."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.keys: OrderedDict[str, str] = OrderedDict()
        self.lessons: dict[str, Lesson] = {}

    def open_class(self, name: str) -> str:
        """Returns the teacher's key. Raises ClassroomError for a name that cannot be used, or is in use."""
        if not CLASS_NAME.fullmatch(name):
            raise ClassroomError("Type a name for the class first: up to 24 small letters, digits and hyphens.")
        with self.lock:
            if name in self.keys:
                raise ClassroomError(f"There is a class {name} already: join it, or choose another name.")
            self.keys[name], self.lessons[name] = secrets.token_urlsafe(12), Lesson()
            while len(self.keys) > MOST_CLASSES:
                self.lessons.pop(self.keys.popitem(last=False)[0])
            return self.keys[name]

    def lesson(self, name: str) -> Lesson:
        """Raises ClassroomError for a class that nobody opened."""
        with self.lock:
            if name not in self.lessons:
                raise ClassroomError(f"There is no class {name!r} here: ask your teacher for the link, or open one.")
            return self.lessons[name]

    def teaches(self, name: str, key: str) -> bool:
        """Whether the key is that of the class's teacher. It may come from a link, which can hold anything."""
        own = self.keys.get(name, "")
        return bool(key) and secrets.compare_digest(own.encode(), key.encode(errors="surrogatepass"))

    def ask(self, name: str, key: str, question: Question) -> None:
        """A new question, open for guesses; those at the last one go."""
        self.change(name, key, lambda _: Lesson(OPEN, question))

    def close(self, name: str, key: str) -> None:
        """No more guesses, or open again; what was revealed stays so."""
        turned = {OPEN: CLOSED, CLOSED: OPEN}
        self.change(name, key, lambda lesson: replace(lesson, state=turned.get(lesson.state, lesson.state)))

    def reveal(self, name: str, key: str) -> None:
        self.change(name, key, lambda lesson: replace(lesson, state=REVEALED))

    def change(self, name: str, key: str, changed: Callable[[Lesson], Lesson]) -> None:
        """Raises ClassroomError for anyone but the teacher, and when there is no question yet."""
        with self.lock:
            new = changed(self.lesson(name))
            if not self.teaches(name, key):
                raise ClassroomError(f"Only the teacher who opened {name} can do that.")
            if new.question is None:
                raise ClassroomError("Ask a question first.")
            self.lessons[name] = new

    def guess(self, name: str, student: str, percent: float) -> None:
        """A student's guess, in place of an earlier one. Raises ClassroomError for one that cannot be taken."""
        if percent is None or not 0 <= percent <= 100:
            raise ClassroomError(f"{percent} is no share of 100: guess from 0 to 100.")
        with self.lock:
            lesson = self.lesson(name)
            if lesson.state != OPEN:
                raise ClassroomError("Guessing is closed: wait for the teacher.")
            if student not in lesson.guesses and len(lesson.guesses) >= MOST_GUESSES:
                raise ClassroomError(f"{MOST_GUESSES} guesses are in already.")
            self.lessons[name] = replace(lesson, guesses=lesson.guesses | {student: int(percent)})


def truth(images: ImageSet, question: Question) -> tuple[int, int]:
    """How many faces are perceived as the class, and how many faces there are."""
    wanted = load_attributes()[question.attribute].class_names.index(question.class_name)
    labels = images.labels(question.attribute)
    return int((labels == wanted).sum()), len(labels)


def guesses_figure(guesses: Sequence[int], question: Question, before: tuple[int, int],
                   after: tuple[int, int] | None, own: int | None = None) -> go.Figure:
    """The guesses as a histogram, the model's share as a line with its 95 % interval, the debiased model's beside it; the
    guess of who looks as a mark.
    """
    figure = go.Figure()
    figure.add_histogram(x=list(guesses), xbins={"start": 0, "end": 100 + BIN, "size": BIN}, name="guesses",
                         marker={"color": GUESS_COLOUR, "pattern": {"shape": "/", "solidity": .25}},
                         hovertemplate="%{x} %: %{y} guesses<extra></extra>")
    bins = [g // BIN for g in guesses]
    highest = max([bins.count(b) for b in bins], default=1)
    for i, (name, counted) in enumerate((("original model", before), ("finetuned model", after)), 1):
        if counted and counted[1]:
            add_share(figure, name, *counted, SERIES[i], highest)
    if own is not None:
        figure.add_scatter(x=[own], y=[0], mode="markers", name=f"your guess: {own} %", hoverinfo="name", cliponaxis=False,
                           marker={"symbol": "star", "size": 18, "color": OWN_COLOUR, "line": {"width": 1, "color": "#fff"}})
    label = next(c.label for c in load_attributes()[question.attribute].classes if c.name == question.class_name)
    style(figure, f"{label} among pictures of “{concept_name(question.prompt)}”", 380,
          f"{guess_count(guesses)} · bands: 95 % intervals of the model's share", top=64)
    figure.update_xaxes(title="percent", range=[-1, 111], tickvals=[0, 25, 50, 75, 100])
    whole = 1 if highest < 12 else None  # there is no half a guess
    return figure.update_yaxes(title="guesses", rangemode="tozero", dtick=whole)


def guess_count(guesses: Collection) -> str:
    return "1 guess" if len(guesses) == 1 else f"{len(guesses)} guesses"


def add_share(figure: go.Figure, name: str, count: int, n: int, look: tuple[str, str], height: float) -> None:
    low, high = (100 * v for v in wilson_interval(count, n))
    colour, dash = look
    figure.add_vrect(x0=low, x1=high, fillcolor=colour, opacity=.15, line_width=0)
    figure.add_scatter(x=[100 * count / n] * 2, y=[0, height], mode="lines", line={"color": colour, "width": 3, "dash": dash},
                       name=f"{name}: {percent(count / n)} ({low:.0f} to {high:.0f} %, {n} faces)", hoverinfo="name")
