"""The one training loop of every part of the built-in model."""

import json
from pathlib import Path

import torch

from mini_world.loop import train


def trained(out: Path, *steps: int) -> dict[str, torch.Tensor]:
    """A line fitted to one batch, by as many processes as there are numbers of steps: each goes on from the last."""
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    for until in steps:
        torch.manual_seed(0)
        line = torch.nn.Linear(3, 1)
        weights = train("line", line, lambda step: {"far": (line(x) - x.sum(1, keepdim=True)).square().mean()},
                        steps=until, learning_rate=0.05, out=out, warmup=1, checkpoint_every=20)
    return weights


def test_it_learns_and_writes_a_log(tmp_path):
    trained(tmp_path, 60)
    lines = [json.loads(line) for line in (tmp_path / "line.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 20, 40]
    assert lines[-1]["far"] < lines[0]["far"] / 4


def test_a_training_that_is_over_is_not_done_again(tmp_path):
    first = trained(tmp_path, 40)
    again = trained(tmp_path, 40)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_it_goes_on_from_its_checkpoint(tmp_path):
    """More steps than the first time: the rate is another, the steps are not done twice."""
    trained(tmp_path, 20, 40)
    lines = [json.loads(line)["step"] for line in (tmp_path / "line.jsonl").read_text().splitlines()]
    assert lines == [0, 20]
