"""A double of the package `spaces` on ZeroGPU: work is forked, killed when its time is up, and refused without quota.

QUOTA: seconds that are lent before the double refuses; LENT: the pid and the seconds asked for, of every loan.
"""

import multiprocessing
import os
import signal
import time

import gradio as gr

QUOTA = [1e9]
LENT: list[tuple[int, float]] = []
FORK = multiprocessing.get_context("fork")


def GPU(task=None, *, duration=60):  # noqa: N802 (its name)
    if task is None:
        return lambda task: GPU(task, duration=duration)

    def lent(*arguments):
        if QUOTA[0] < duration:
            raise gr.Error(f"You have exceeded your free ZeroGPU quota ({duration}s requested).", title="ZeroGPU quota exceeded")
        QUOTA[0] -= duration
        listen, tell = FORK.Pipe(duplex=False)
        worker = FORK.Process(target=work, args=(task, arguments, tell), daemon=True)
        worker.start()
        tell.close()
        LENT.append((worker.pid, duration))
        yield from answers(worker, listen, time.monotonic() + duration)
    return lent


def work(task, arguments, tell) -> None:
    for value in task(*arguments):
        tell.send(("yielded", value))
    tell.send(("done", None))


def answers(worker, listen, end: float):
    try:
        while True:
            if time.monotonic() > end:
                os.kill(worker.pid, signal.SIGKILL)
            if not listen.poll(.02):
                continue
            kind, value = listen.recv()
            if kind == "done":
                return
            yield value
    except EOFError:
        raise gr.Error("GPU task aborted", title="ZeroGPU worker error") from None
    finally:
        worker.kill()
        worker.join()
