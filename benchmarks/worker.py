"""A process of its own that answers questions: what a machine needs long to load is loaded once for all of them.

It is asked by a line, and answers by lines of JSON: {"found": ...} as often as it likes, then {"end": ""}, or what went
wrong. One that takes too long or dies is replaced by a fresh one at the next question.
"""

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parents[1]
Tell = Callable[[dict], None]


class Worker:
    """Started at once, so that it loads while the caller does something else; used as a context manager."""

    def __init__(self, command: Sequence[str]):
        self.command = command
        self.start()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, encoding="utf-8", cwd=ROOT)
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=pass_on, args=(self.process.stdout, self.lines), daemon=True).start()

    def stop(self) -> None:
        self.end()
        for file in (self.process.stdin, self.errors):
            with suppress(OSError):  # a question that it did not live to hear
                file.close()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, question: str, seconds: float, tell: Tell) -> str:
        """Calls `tell` with each thing found, when it is there. Returns why the answer is not whole, or ""."""
        deadline = time.monotonic() + seconds
        if self.process.poll() is not None:
            self.stop()
            self.start()
        try:
            self.process.stdin.write(f"{question}\n")
            self.process.stdin.flush()
        except OSError:  # it has died since: its last words are in its errors
            return self.last_words()
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.end()
                return f"It was stopped after its {seconds:.3g} s."
            if line is None:
                return self.last_words()
            answer = json.loads(line)
            if "end" in answer:
                if answer["end"]:
                    self.end()
                return answer["end"]
            tell(answer["found"])

    def last_words(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        return (self.errors.read().strip().splitlines() or [f"It ended with {code}."])[-1]


def pass_on(source: TextIO, lines: queue.Queue) -> None:
    """Every line, then None."""
    with source:
        for line in source:
            lines.put(line)
    lines.put(None)


def answer(work: Callable[[str, Tell], None], questions: Iterable[str]) -> None:
    """The worker's side: work(question, tell) for every line. After an error the process ends, and with it whatever the
    work had left where it should not be, such as on a GPU.
    """
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer

    def say(**said: object) -> None:
        print(json.dumps(said), file=answers, flush=True)

    for question in questions:
        try:
            work(question.strip(), lambda found: say(found=found))
        except Exception as error:
            say(end=f"{type(error).__name__}: {error}".strip())
            raise
        say(end="")
