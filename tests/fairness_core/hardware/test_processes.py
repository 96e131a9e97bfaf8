"""Two processes train the adapter that one would, and only one of them writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.fakes import tiny_model
from safetensors.torch import load_file

from fairness_core.hardware.processes import Share, current_share
from fairness_core.settings.config import FinetuneConfig, LossWeights
from fairness_core.training.finetune import finetune

ROOT = Path(__file__).resolve().parents[3]
CONFIG = FinetuneConfig(
    model="tiny", prompts=("a nurse", "a chef"), marginals={"gender": {"female": 0.5, "male": 0.5}}, lora_rank=2,
    learning_rate=0.01, steps=3, images_per_prompt=5, sampling_steps=3, timesteps_per_update=2, film_strip_every=2,
    checkpoint_every=2, tune="both", losses=LossWeights(confidence=0.5))
PROCESS = """
import json, os, sys
from pathlib import Path
from helpers.fakes import tiny_model
from fairness_core.events import StepDone
from fairness_core.settings.config import load_config
from fairness_core.training.finetune import finetune
events = list(finetune(tiny_model(), load_config(Path(sys.argv[1])), Path(sys.argv[2])))
steps = [(e.losses, e.distance, e.faces_found, e.images) for e in events if isinstance(e, StepDone)]
Path(sys.argv[2], "told-" + os.environ["RANK"]).write_text(json.dumps([len(events), steps]))
"""


def launch(processes: int, folder: Path, config: FinetuneConfig) -> None:
    script, settings = folder / "process.py", folder / "settings.yaml"
    script.write_text(PROCESS, encoding="utf-8")
    config.save(settings)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(  # what `accelerate launch` runs itself, which starts several processes on GPUs only
        [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", str(script),
         str(settings), str(folder / "run")], env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    """Five images: two for the first process, three for the second."""
    alone = list(finetune(tiny_model(), CONFIG, tmp_path / "alone"))
    launch(2, tmp_path, CONFIG)
    together = tmp_path / "run"
    expected, found = (load_file(folder / "checkpoint.safetensors") for folder in (tmp_path / "alone", together))
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
    (count, steps), (silent, _) = (json.loads((together / f"told-{rank}").read_text(encoding="utf-8"))
                                   for rank in (0, 1))
    assert (count, silent) == (len(alone), 0)
    for step, (losses, distance, faces, images) in zip((e for e in alone if hasattr(e, "losses")), steps, strict=True):
        assert losses == pytest.approx(step.losses, rel=1e-3, abs=1e-6)  # the first semantics loss is rounding alone
        assert distance == pytest.approx(step.distance, rel=1e-3)
        assert (faces, images) == (step.faces_found, step.images) == (5, 5)


@pytest.mark.parametrize(("total", "count"), [(5, 2), (16, 3), (4, 4), (7, 1)])
def test_the_shares_are_everything_once_and_nearly_even(total, count):
    own = [list(range(total)[Share(i, count).own(total)]) for i in range(count)]
    assert sum(own, []) == list(range(total))
    assert max(map(len, own)) - min(map(len, own)) <= 1


def test_one_process_is_the_whole():
    share, rows = current_share(torch.device("cpu")), torch.ones(3, requires_grad=True)
    assert share == Share(0, 1) and share.is_main and share.own(5) == slice(0, 5)
    assert torch.equal(share.gather(rows), rows) and not share.gather(rows).requires_grad
    assert share.any(True) and not share.any(False)
