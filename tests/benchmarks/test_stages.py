"""The clock's books balance."""

import time
from types import SimpleNamespace

import pytest
import torch

from benchmarks.stages import StageClock

CPU = torch.device("cpu")


def parts() -> SimpleNamespace:
    """An outer function that waits and calls an inner one, which waits longer."""
    owner = SimpleNamespace(inner=lambda: time.sleep(0.04))
    owner.outer = lambda: (time.sleep(0.02), owner.inner(), "answer")[-1]
    return owner


def test_an_inner_stage_is_not_counted_twice():
    owner, clock = parts(), StageClock(CPU)
    with clock.watching([(owner, "outer", "a"), (owner, "inner", "b")]):
        assert owner.outer() == "answer"
    assert clock.seconds["a"] == pytest.approx(0.02, abs=0.015) and clock.seconds["b"] >= 0.04
    owner.outer()
    assert clock.seconds["b"] < 0.08, "it stops watching"


def test_a_whole_stage_keeps_what_is_inside():
    owner, clock = parts(), StageClock(CPU, whole=("a",))
    with clock.watching([(owner, "outer", "a"), (owner, "inner", "b")]):
        owner.outer()
    assert clock.seconds["a"] >= 0.06 and "b" not in clock.seconds


def test_a_failure_ends_its_stage():
    clock = StageClock(CPU)
    with pytest.raises(ZeroDivisionError), clock.stage("a"):
        1 / 0
    assert clock.running == []


def test_a_function_that_is_gone_is_told():
    with pytest.raises(AttributeError), StageClock(CPU).watching([(parts(), "no_such", "a")]):
        pass
