"""What a step launches and how often it makes the host wait, held where it is."""

from dataclasses import replace

import pytest
import torch
from helpers.fakes import tiny_critics, tiny_model

from benchmarks import operations
from fairness_core.critics.faces import MtcnnDetector
from fairness_core.critics.preprocess import Preprocess
from fairness_core.hardware.waiting import may_wait, no_waiting, to_device
from fairness_core.models.loading import load_model
from fairness_core.settings.config import FinetuneConfig
from fairness_core.settings.presets import FOLDER, load_preset
from fairness_core.training import start as starting

BEFORE = 169_529  # operations of the first step of Short when its prompts went one after another, with 1,699 reads


def test_every_way_to_wait_is_counted_and_nothing_else():
    values = torch.arange(4.0)
    with operations.counted() as counts:
        values.sum().item(), values.nonzero(), values[values > 1], values.tolist(), values.cpu(), bool(values[0])
        values[to_device(torch.tensor([0, 2]), values.device)] * 2
    assert counts.reads.total() == 6 and counts.operations["mul"] == 1 and counts.copies.total() == 1


@pytest.mark.slow
def test_a_step_of_short_launches_a_fifth_and_reads_little():
    preset = load_preset(FOLDER / "mini-short.yaml")
    counts = operations.count_step(starting.start(load_model("mini", device=torch.device("cpu")), preset.config))
    assert counts.operations.total() <= BEFORE / 5
    assert counts.reads.total() <= 20, counts.reads


def test_more_prompts_read_no_more():
    def reads(prompts: int) -> int:
        config = FinetuneConfig(model="tiny", prompts=tuple(f"prompt {i}" for i in range(prompts)), sampling_steps=3,
                                marginals={"gender": {"female": 0.5, "male": 0.5}}, lora_rank=2, images_per_prompt=4,
                                prompts_per_step=prompts, timesteps_per_update=2)
        return operations.count_step(starting.start(tiny_model(), config)).reads.total()
    assert reads(1) == reads(5) <= 8


def test_finding_faces_reads_what_is_missed_and_no_more():
    """On a CPU also how many candidates there are, where asking makes nobody wait."""
    detector = MtcnnDetector(torch.device("cpu"))
    with operations.counted() as counts:
        detector(torch.zeros(28, 3, 128, 128))
    assert counts.reads["nonzero"] == 1 and counts.reads.total() <= 5 and counts.operations.total() < 2400


def test_the_table_tells_every_step():
    with operations.counted() as counts:
        torch.ones(3).sum().item()
    [row] = [line for line in operations.as_markdown([counts]).splitlines() if line.startswith("| 1 |")]
    assert row == "| 1 | 3 | 1 | _local_scalar_dense 1 | 0 |"


@pytest.mark.parametrize("tune", ["text_encoder", "both", "tokens"])
def test_a_step_waits_nowhere_but_where_it_may(tune):
    """Neither to read nor, as a view that makes its numbers anew would, to send."""
    critics, view = tiny_critics(), Preprocess((16, 16), None, (0.5, 0.4, 0.3), (0.5,) * 3)
    seeing = {name: lambda images, encode=encode: encode(view(images)) for name, encode in critics.encoders.items()}
    config = FinetuneConfig(model="tiny", prompts=("a", "b"), sampling_steps=3, lora_rank=2, images_per_prompt=4,
                            marginals={"gender": {"female": 0.5, "male": 0.5}}, timesteps_per_update=2, tune=tune)
    run = starting.start(tiny_model(replace(critics, encoders=seeing)), config)
    with operations.failing() as counts:
        operations.take_step(run)
        operations.take_step(run)
    assert 0 < counts.reads.total() <= 2 * 8
    with operations.failing(), pytest.raises(operations.HostWait, match="_local_scalar_dense makes the host wait"):
        torch.ones(3).sum().item()


def test_faces_are_found_waiting_only_where_it_may():
    with operations.failing():
        MtcnnDetector(torch.device("cpu"))(torch.zeros(4, 3, 128, 128))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_a_wait_fails_but_where_it_may():
    values = torch.ones(3, device="cuda")
    with no_waiting():
        with may_wait():
            assert values.sum().item() == 3
        with pytest.raises(RuntimeError, match="synchroniz"):
            values.sum().item()
