"""What is told about the machine that a run was made on."""

import pytest
import torch

from fairness_core.about import machine


@pytest.mark.parametrize(("threads", "words"), [(1, "1 CPU thread ("), (2, "2 CPU threads (")])
def test_threads_are_counted_in_words(monkeypatch, threads, words):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine().startswith(words) and machine().endswith("no GPU")
