"""The state of a run survives a file, bit by bit, and a file that is not its own is refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from fairness_core.training.average import MovingAverage
from fairness_core.training.checkpoints import FILE_NAME, CheckpointError, load_checkpoint, save_checkpoint


class State:
    """Two parameters, their optimizer and average."""

    def __init__(self, shape: tuple[int, int] = (3, 4)):
        generator = torch.Generator().manual_seed(0)
        self.parameters = [nn.Parameter(torch.randn(s, generator=generator)) for s in (shape, (2,))]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=0.1)
        self.average = MovingAverage.of(self.parameters, decay=0.9)

    def advance(self, steps: int, first: int = 0) -> None:
        for step in range(first, first + steps):
            generator = torch.Generator().manual_seed(step)
            for parameter in self.parameters:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            self.optimizer.step()
            self.average.update(self.parameters)

    def save(self, folder, step: int):
        return save_checkpoint(folder, step, self.parameters, self.optimizer, self.average)

    def load(self, folder) -> int:
        return load_checkpoint(folder, self.parameters, self.optimizer, self.average)

    def everything(self) -> list[torch.Tensor]:
        moments = [s[name] for s in self.optimizer.state_dict()["state"].values() for name in sorted(s)]
        return [*self.parameters, *self.average.values, *moments, torch.tensor(self.average.weight, dtype=torch.float64)]


def assert_identical(a: State, b: State) -> None:
    assert len(a.everything()) == len(b.everything())
    assert all(torch.equal(x, y) for x, y in zip(a.everything(), b.everything()))


def test_round_trip_and_the_same_future(tmp_path):
    whole, first, second = State(), State(), State()
    whole.advance(5)
    first.advance(3)
    assert first.save(tmp_path, 3) == tmp_path / FILE_NAME
    assert second.load(tmp_path) == 3
    assert_identical(first, second)
    second.advance(2, first=3)
    assert_identical(whole, second)


def test_before_the_first_update_there_are_no_moments(tmp_path):
    first, second = State(), State()
    first.save(tmp_path, 2)  # both steps were skipped
    assert second.load(tmp_path) == 2
    assert_identical(first, second)


def test_a_restored_state_does_not_write_into_the_file(tmp_path):
    state = State()
    state.advance(1)
    before = state.save(tmp_path, 1).read_bytes()
    state.load(tmp_path)
    state.advance(2, first=1)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_no_checkpoint_is_step_0_and_changes_nothing(tmp_path):
    state, untouched = State(), State()
    assert state.load(tmp_path) == 0
    assert_identical(state, untouched)


def truncate(path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path) -> None:
    path.write_bytes(b"")


def garbage(path) -> None:
    path.write_bytes(b"x" * 500)


def without_header(path) -> None:
    save_file(load_file(path), path)


def without_average(path) -> None:
    tensors = {k: v for k, v in load_file(path).items() if not k.startswith("average.1")}
    save_file(tensors, path, {"step": "1", "average_weight": "0.1"})


def a_folder(path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [truncate, empty, garbage, without_header, without_average, a_folder])
def test_a_damaged_checkpoint_is_refused_and_changes_nothing(tmp_path, damage):
    state, other, untouched = State(), State(), State()
    state.advance(1)
    damage(state.save(tmp_path, 1))
    with pytest.raises(CheckpointError):
        other.load(tmp_path)
    assert_identical(other, untouched)


def test_another_rank_is_refused_and_says_so(tmp_path):
    State(shape=(3, 5)).save(tmp_path, 1)
    with pytest.raises(CheckpointError, match="another LoRA rank or model"):
        State().load(tmp_path)


def test_a_disk_that_refuses_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    state = State()
    before = state.save(tmp_path, 1).read_bytes()
    state.advance(1)

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fairness_core.training.checkpoints.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        state.save(tmp_path, 2)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]
