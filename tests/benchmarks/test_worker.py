"""A process that answers questions, is stopped in time, and is replaced."""

import sys

import pytest

from benchmarks.worker import Worker

CHILD = """
import sys, time
from benchmarks.worker import answer

def work(question, tell):
    print("what libraries print is no answer")
    tell({"asked": question})
    if question == "slow":
        time.sleep(60)
    if question == "fails":
        raise ValueError("no luck")
    if question == "dies":
        sys.exit("no luck at all")

answer(work, sys.stdin)
"""


@pytest.mark.parametrize("question, seconds, why", [
    ("quick", 60, ""), ("slow", 3, "It was stopped after its 3 s."), ("fails", 60, "ValueError: no luck"),
    ("dies", 60, "no luck at all")])
def test_what_was_found_is_told_and_another_process_goes_on(question, seconds, why):
    found = []
    with Worker([sys.executable, "-c", CHILD]) as worker:
        first = worker.process
        assert worker.ask(question, seconds, found.append) == why
        assert worker.ask("quick", 60, found.append) == ""
        assert (worker.process is first) == (not why)
    assert found == [{"asked": question}, {"asked": "quick"}] and worker.process.poll() is not None


def test_a_process_that_does_not_start_tells_why():
    with Worker([sys.executable, "-c", "import no_such_module"]) as worker:
        worker.process.wait()
        for _ in range(2):
            assert worker.ask("quick", 60, print) == "ModuleNotFoundError: No module named 'no_such_module'"
