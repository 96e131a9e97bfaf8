"""Who asks, and how much each visitor of a shared Space has asked for. Kept in memory: no address is written down."""

import ipaddress
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

import gradio as gr
from gradio.context import LocalContext

from app.jobs.files import Job, JobRequest
from app.jobs.limits import OWN, Cost, LimitError, Limits, check_sizes, cost


@dataclass(frozen=True)
class Asked:
    """What one job of one visitor costs. at: time.monotonic() seconds."""

    visitor: str
    cost: Cost
    at: float


class Visitors:
    """Admits jobs within the limits; everything where there are none.

    Visitors are told apart by their network address: a page opened anew is the same visitor. What the server asks by
    itself, outside of any request, is admitted.
    """

    def __init__(self, limits: Limits | None = None):
        self.limits = limits
        self.lock = threading.Lock()
        self.asked: list[Asked] = []  # within the last `minutes`
        self.owners: dict[str, str] = {}  # who asked first for each run, until it is deleted

    def admit(self, job: Job, live: Collection[str]) -> None:
        """Notes the job as the visitor's; one that goes on stays whose it was. live: ids of the jobs that wait or run.

        Raises LimitError.
        """
        visitor = current_visitor()
        if self.limits is None or not visitor:
            return
        check_sizes(self.limits, job.request)
        wanted = cost(job.request, done=job.view().step if job.resume else 0)
        with self.lock:
            self.asked = [a for a in self.asked if a.at > self.window()]
            self.check_queue(visitor, live)
            self.check_spent(visitor, wanted)
            self.asked.append(Asked(visitor, wanted, time.monotonic()))
            if not job.resume:
                self.owners[job.job_id] = visitor

    def spend(self, request: JobRequest) -> None:
        """What is painted at once, without a job. Raises LimitError."""
        visitor = current_visitor()
        if self.limits is None or not visitor:
            return
        check_sizes(self.limits, request)
        with self.lock:
            self.check_spent(visitor, cost(request))
            self.asked.append(Asked(visitor, cost(request), time.monotonic()))

    def note(self, job_id: str) -> None:
        """A run that was made for who asks now, at no cost: a checkpoint that is kept."""
        if self.limits is not None and (visitor := current_visitor()):
            with self.lock:
                self.owners[job_id] = visitor

    def forget(self, job_id: str) -> None:
        """A run that was deleted is nobody's; what it cost still counts."""
        with self.lock:
            self.owners.pop(job_id, None)

    def check_queue(self, visitor: str, live: Collection[str]) -> None:
        own = [job_id for job_id in live if self.owners.get(job_id) == visitor]
        if len(own) >= self.limits.jobs:
            raise LimitError(f"{len(own)} of your runs are waiting or running: this Space is shared, and a visitor may "
                             f"have {self.limits.jobs} at a time. Stop one, or wait. {OWN}")
        if len(live) >= self.limits.queue:
            raise LimitError(f"{len(live)} runs are waiting already: this Space is shared, try again later. {OWN}")

    def check_spent(self, visitor: str, wanted: Cost) -> None:
        spent, limits = self.spent(visitor), self.limits
        for name, asked, used, most in (("steps of finetuning", wanted.steps, spent.steps, limits.steps),
                                        ("images", wanted.images, spent.images, limits.images)):
            if used + asked > most:
                raise LimitError(
                    f"This asks for {asked} {name}, and {max(most - used, 0)} are left to you: this Space is shared, and "
                    f"a visitor may use {most} in {limits.minutes} minutes. Choose fewer. {OWN}")

    def spent(self, visitor: str) -> Cost:
        """What the visitor asked for within the last `minutes`."""
        recent = [a.cost for a in self.asked if a.visitor == visitor and a.at > self.window()]
        return Cost(sum(c.steps for c in recent), sum(c.images for c in recent))

    def window(self) -> float:
        """Since when what was asked for counts, in time.monotonic() seconds."""
        return time.monotonic() - 60 * self.limits.minutes

    def check_own(self, job_id: str) -> None:
        """Raises LimitError for a run that someone else asked for."""
        if not self.owns(job_id):
            raise LimitError(f"Run {job_id} is not yours: on a shared Space, only who started it can change it, and only "
                             "until the Space restarts. Start a run of your own.")

    def owns(self, job_id: str) -> bool:
        """Whether the run may be listed to and changed by who asks now."""
        visitor = current_visitor()
        if self.limits is None or not visitor:
            return True
        with self.lock:
            return self.owners.get(job_id) == visitor

    def words(self) -> str:
        """The limits, and what is left of them to who asks now; empty where there are none."""
        if self.limits is None:
            return ""
        with self.lock:
            spent, limits = self.spent(current_visitor()), self.limits
        return (f"This Space is shared. In {limits.minutes} minutes you may use {limits.steps} steps and "
                f"{limits.images} images ({max(limits.steps - spent.steps, 0)} and "
                f"{max(limits.images - spent.images, 0)} are left), with {limits.jobs} runs at a time. Your runs are "
                f"listed to you alone; anyone who has a run's link can see it. {OWN}")


def current_visitor() -> str:
    """The address of who is being answered, empty outside of a request."""
    request = LocalContext.request.get(None)
    return address_of(request) if request else ""


def address_of(request: gr.Request) -> str:
    """The visitor's network address; of an IPv6 address the part that a visitor cannot choose (64 bits).

    Behind a proxy, which connects from a private network, it is the last public address that was noted on the way: a
    visitor can put any others before it.
    """
    address = request.client.host if request.client else ""
    noted = (request.headers.get("x-forwarded-for") or "").split(",")
    public = [text for text in map(str.strip, noted) if is_public(text)]
    if public and not is_public(address):
        address = public[-1]
    try:
        network = ipaddress.ip_address(address)
    except ValueError:
        return address or "unknown"
    return str(ipaddress.ip_network((network, 64), strict=False)) if network.version == 6 else address


def is_public(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False
