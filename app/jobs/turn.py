"""One thing is painted at a time: the job at work, or between jobs a single pair that someone looks at."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.jobs.files import JobError

WAITING_SECONDS = 2  # a pair that is painted just now may be done by then


class Turn:
    def __init__(self):
        self.lock = threading.Lock()

    @contextmanager
    def of_a_job(self) -> Iterator[None]:
        """Waits until it is free."""
        with self.lock:
            yield

    @contextmanager
    def of_a_pair(self) -> Iterator[None]:
        """Raises JobError while a run is at work."""
        if not self.lock.acquire(timeout=WAITING_SECONDS):
            raise JobError("A run is at work, and one thing is painted at a time: dial the strength again when it is done.")
        try:
            yield
        finally:
            self.lock.release()
