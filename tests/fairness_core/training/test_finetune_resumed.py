"""A run of finetune() that was stopped anywhere ends as if it had not been."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.fakes import tiny_model
from helpers.finetunes import CONFIG, assert_untouched, checkpointed, run, steps_of, stop_after, weights_of
from safetensors.torch import load_file

from fairness_core.events import FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.training.checkpoints import CheckpointError
from fairness_core.training.finetune import finetune

ROOT = Path(__file__).resolve().parents[3]


def test_stop_is_seen_within_one_step_and_keeps_what_was_learned(tmp_path):
    config = replace(CONFIG, steps=100, film_strip_every=100, checkpoint_every=100)
    stopped = run(tmp_path / "stopped", config, should_stop=stop_after(2))
    assert [type(e) for e in stopped if not isinstance(e, FilmStrip)] == [Started, StepDone, StepDone, Finished]
    assert (stopped[-1].step, stopped[-1].reason) == (2, "stopped")
    whole = run(tmp_path / "whole", replace(config, steps=2))
    assert stopped[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()


def test_stopped_before_the_first_step_the_adapter_is_the_identity(tmp_path):
    events = run(tmp_path, should_stop=lambda: True)
    assert [type(e) for e in events if not isinstance(e, FilmStrip)] == [Started, Finished] and events[-1].reason == "stopped"
    assert all((v == 0).all() for k, v in load_file(events[-1].adapter).items() if "lora_B" in k)


@pytest.mark.parametrize("options", [
    {}, {"learning_rate_schedule": "linear"}, {"noise_batches": 0, "prompts_per_step": 2}, {"tune": "unet"},
    {"tune": "tokens", "soft_tokens": 3}, {"tune": "both", "lora_alpha": 5, "lora_targets": ("mlp",)}, {"tune": "both", "gradient": "naive"}])
def test_a_run_stopped_and_continued_equals_one_that_was_not(tmp_path, options):
    config = replace(CONFIG, **options)
    whole = run(tmp_path / "whole", config)
    run(tmp_path / "parts", config, should_stop=stop_after(2))
    rest = run(tmp_path / "parts", config, resume=True)
    assert rest[0] == Started(2, 4)
    assert [step.step for step in steps_of(rest)] == [3, 4]
    assert rest[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()
    assert [s.losses for s in steps_of(rest)] == [s.losses for s in steps_of(whole)[2:]]


def test_a_finished_run_continues_with_more_steps(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", replace(CONFIG, steps=2))
    more = run(tmp_path / "parts", CONFIG, resume=True)
    assert more[0] == Started(2, 4)
    assert more[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()
    again = run(tmp_path / "parts", CONFIG, resume=True)
    assert again == [Started(4, 4), Finished(4, "completed", more[-1].adapter)]
    assert again[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()


def test_resuming_where_nothing_was_saved_starts_at_the_beginning(tmp_path):
    assert run(tmp_path, replace(CONFIG, steps=1), resume=True)[0] == Started(0, 1)


@pytest.mark.parametrize("changes", [{"lora_rank": 5}, {"lora_alpha": 8.0}, {"tune": "unet"}, {"lora_targets": ("mlp",)}])
def test_a_checkpoint_of_other_settings_is_refused_and_the_runs_own_settings_stay(tmp_path, changes):
    run(tmp_path, replace(CONFIG, steps=2))
    kept = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    model = tiny_model()
    before = {"text_encoder": weights_of(model.text_encoder)}
    events = finetune(model, replace(CONFIG, **changes), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match=f"{next(iter(changes))}.*the run's own settings"):
        next(events)
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == kept
    assert_untouched(model, before)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(tmp_path, replace(CONFIG, steps=2))
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="damaged"):
        next(finetune(tiny_model(), CONFIG, tmp_path, resume=True))


# Each line it reads has it go on with the run in a child, which tells its events and is killed by whoever reads them.
KILLED = """
import os, sys
from pathlib import Path
from helpers.fakes import tiny_model
from fairness_core.settings.config import load_config
from fairness_core.training.finetune import finetune
config, folder = load_config(Path(sys.argv[1])), Path(sys.argv[2])
for _ in sys.stdin:
    child = os.fork()
    if not child:
        for event in finetune(tiny_model(), config, folder, resume=(folder / "checkpoint.safetensors").exists()):
            print(os.getpid(), type(event).__name__, flush=True)
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_five_times_ends_as_if_it_had_not_been(tmp_path):
    """kill -9 at moments nobody chose; the checkpoint is either the last one or the one before, never half."""
    config = replace(CONFIG, steps=40, checkpoint_every=1, film_strip_every=100)
    config.save(tmp_path / "settings.yaml")
    whole, waits = run(tmp_path / "whole", config), [random.uniform(0.0, 0.3) for _ in range(5)]
    command = [sys.executable, "-c", KILLED, str(tmp_path / "settings.yaml"), str(tmp_path / "killed")]
    with subprocess.Popen(command, cwd=ROOT / "tests", env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, bufsize=1) as process:
        for wait in waits:
            kill_after_a_save(process, wait)
        process.stdin.close()
    rest = run(tmp_path / "killed", config, resume=True)
    assert 5 <= rest[0].first_step < 40, f"waited {waits}"
    assert rest[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes(), f"killed after {waits}"


def kill_after_a_save(process: subprocess.Popen, wait: float) -> None:
    """Has it go on with the run in a child of its own, which is killed `wait` seconds after its first checkpoint."""
    process.stdin.write("go on\n")
    while not (told := process.stdout.readline().split())[1:] == ["Saved"]:
        assert told and told[0] != "ended", "the run ended before its first checkpoint"
    time.sleep(wait)
    os.kill(int(told[0]), signal.SIGKILL)
    while told[0] != "ended":
        told = process.stdout.readline().split()
    assert told[1] == str(-signal.SIGKILL), "it was over before it could be killed"


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


def test_a_full_disk_ends_the_run_and_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    model = tiny_model()
    before = {"text_encoder": weights_of(model.text_encoder)}
    whole = run(tmp_path / "whole")
    events, folder = finetune(model, CONFIG, tmp_path / "full"), tmp_path / "full"
    for event in events:
        if isinstance(event, Saved):
            break
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fairness_core.training.checkpoints.save_file", full)
        with pytest.raises(OSError, match="No space left"):
            list(events)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == kept
    assert_untouched(model, before)
    rest = run(folder, resume=True)
    assert rest[0] == Started(2, 4)
    assert rest[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()


def test_a_new_run_forgets_the_checkpoint_of_an_older_one_in_its_folder(tmp_path):
    run(tmp_path)
    assert checkpointed(tmp_path)
    begun = finetune(tiny_model(), CONFIG, tmp_path)
    next(begun)
    begun.close()
    assert not (tmp_path / "checkpoint.safetensors").exists()
