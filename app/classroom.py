"""A class guesses before it sees: guesses by question, shared on the server, kept in memory, no personal data."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import plotly.graph_objects as go

from fairness_core.attributes import load_attributes
from fairness_core.metrics import wilson_interval
from fairness_core.plots import SERIES, concept_name, style
from fairness_core.results import ImageSet

BIN, MOST_GUESSES, MOST_CLASSES, MOST_QUESTIONS = 10, 500, 200, 100
GUESS_COLOUR = SERIES[0][0]


class ClassroomError(ValueError):
    """A guess that cannot be taken; the message says why."""


@dataclass(frozen=True)
class Question:
    """How many of 100 pictures of a prompt are perceived as this class?"""

    prompt: str
    attribute: str
    class_name: str


@dataclass
class Answers:
    guesses: list[int] = field(default_factory=list)
    revealed: bool = False


class Classroom:
    """Guesses of many classes at once; the oldest classes and questions make room for new ones."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.classes: OrderedDict[str, OrderedDict[Question, Answers]] = OrderedDict()

    def answers(self, name: str, question: Question) -> Answers:
        """A copy of what the class guessed so far."""
        with self.lock:
            found = self.classes.get(name, {}).get(question, Answers())
            return Answers(list(found.guesses), found.revealed)

    def guess(self, name: str, question: Question, percent: float) -> None:
        """Raises ClassroomError for a number that is no percentage, or once the answer was revealed."""
        if percent is None or not 0 <= percent <= 100:
            raise ClassroomError(f"{percent} is no share of 100: guess from 0 to 100.")
        with self.lock:
            answers = self.opened(name, question)
            if answers.revealed:
                raise ClassroomError("The answer was revealed already: guess at another question.")
            if len(answers.guesses) >= MOST_GUESSES:
                raise ClassroomError(f"{MOST_GUESSES} guesses are in already: reveal the answer.")
            answers.guesses.append(int(percent))

    def reveal(self, name: str, question: Question) -> None:
        with self.lock:
            self.opened(name, question).revealed = True

    def opened(self, name: str, question: Question) -> Answers:
        questions = self.classes.setdefault(name, OrderedDict())
        self.classes.move_to_end(name)
        answers = questions.setdefault(question, Answers())
        for kept, most in ((self.classes, MOST_CLASSES), (questions, MOST_QUESTIONS)):
            while len(kept) > most:
                kept.popitem(last=False)
        return answers


def truth(images: ImageSet, question: Question) -> tuple[int, int]:
    """How many faces are perceived as the class, and how many faces there are."""
    wanted = load_attributes()[question.attribute].class_names.index(question.class_name)
    labels = images.labels(question.attribute)
    return int((labels == wanted).sum()), len(labels)


def guesses_figure(answers: Answers, question: Question, before: tuple[int, int], after: tuple[int, int] | None) -> go.Figure:
    """The guesses as a histogram, the model's share as a line with its 95 % interval, the debiased model's beside it."""
    figure = go.Figure()
    figure.add_histogram(x=answers.guesses, xbins={"start": 0, "end": 100 + BIN, "size": BIN}, name="guesses",
                         marker={"color": GUESS_COLOUR, "pattern": {"shape": "/", "solidity": .25}},
                         hovertemplate="%{x} %: %{y} guesses<extra></extra>")
    bins = [g // BIN for g in answers.guesses]
    highest = max([bins.count(b) for b in bins], default=1)
    for i, (name, counted) in enumerate((("original model", before), ("finetuned model", after)), 1):
        if counted and counted[1]:
            add_share(figure, name, *counted, SERIES[i], highest)
    label = next(c.label for c in load_attributes()[question.attribute].classes if c.name == question.class_name)
    style(figure, f"{label} among pictures of “{concept_name(question.prompt)}”", 380,
          f"{len(answers.guesses)} guesses · bands: 95 % intervals of the model's share", top=64)
    figure.update_xaxes(title="percent", range=[-1, 111], tickvals=[0, 25, 50, 75, 100])
    whole = 1 if highest < 12 else None  # there is no half a guess
    return figure.update_yaxes(title="guesses", rangemode="tozero", dtick=whole)


def add_share(figure: go.Figure, name: str, count: int, n: int, look: tuple[str, str], height: float) -> None:
    low, high = (100 * v for v in wilson_interval(count, n))
    colour, dash = look
    figure.add_vrect(x0=low, x1=high, fillcolor=colour, opacity=.15, line_width=0)
    figure.add_scatter(x=[100 * count / n] * 2, y=[0, height], mode="lines", line={"color": colour, "width": 3, "dash": dash},
                       name=f"{name}: {count / n:.0%} ({low:.0f} to {high:.0f} %, {n} faces)", hoverinfo="name")
