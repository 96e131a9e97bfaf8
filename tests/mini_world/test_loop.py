"""The training loop: rates and averages as tensors, steps that can be stopped and continued."""

import json

import pytest
import torch
from torch import nn

from mini_world.loop import Averaged, captured, rate_factor, train

STEPS = 8


def trained(out, steps: int, **options) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def step_loss(step: int) -> dict[str, torch.Tensor]:
        x = torch.randn(16, 4)
        return {"squared": (module(x)[:, 0] - x.sum(1)).square().mean(), "small": 1e-3 * module[0].weight.square().sum()}

    return train("part", module, step_loss, steps=steps, learning_rate=1e-2, warmup=2, ema_decay=0.5, out=out, **options)


def test_the_rate_rises_then_falls_to_nothing():
    rates = [rate_factor(step, 1000, 100) for step in range(1000)]
    assert rates[0] == pytest.approx(.01, rel=.01) and max(rates) == rates[99] and rates[-1] < 1e-5
    assert rates[:99] == sorted(rates[:99]) and rates[100:] == sorted(rates[100:], reverse=True)


def test_an_average_follows_the_weights_by_the_share_that_was_set():
    module = nn.BatchNorm1d(2)
    average = Averaged(module, decay=0.75)
    with torch.no_grad():
        module.weight.fill_(3.0)
    module.num_batches_tracked += 5
    average.update()
    assert average.weights["weight"].tolist() == [1, 1], "before a share is set, nothing counts"
    average.set_share(1000)
    average.update()
    assert average.weights["weight"].tolist() == [1.5, 1.5] and average.weights["num_batches_tracked"] == 5
    average.set_share(0)
    assert average.new_share.item() == pytest.approx(9 / 11)


def test_without_a_gpu_a_captured_step_is_the_step_itself():
    step = dict
    assert captured(step, torch.device("cpu")) is step


@pytest.mark.parametrize("graphed", [False, True])
def test_a_training_that_was_stopped_ends_where_it_would_have(tmp_path, graphed, monkeypatch):
    monkeypatch.setattr("mini_world.loop.rate_factor", lambda step, steps, warmup: rate_factor(step, STEPS, warmup))
    whole = trained(tmp_path / "whole", STEPS, graphed=graphed)
    trained(tmp_path / "parts", 5, graphed=graphed)
    continued = trained(tmp_path / "parts", STEPS, graphed=graphed)
    assert all(torch.equal(whole[name], continued[name]) for name in whole)


def test_the_log_has_every_loss(tmp_path):
    trained(tmp_path, 3)
    (line,) = (tmp_path / "part.jsonl").read_text(encoding="utf-8").splitlines()
    assert set(json.loads(line)) == {"step", "seconds", "squared", "small"}
