"""Checkpoints that are kept, adapters that are brought, runs that are deleted."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.jobs import lora, request, wait, wait_for_step
from safetensors.torch import load_file, save_file

from app.engine import fairness_engine
from app.html import run_record
from app.jobs.files import JobError, JobRequest
from app.requests.settings_text import parsed
from fairness_core.adapters.files import LORA_FILE, TOKENS_FILE, AdapterError
from fairness_core.commands.common import load_settings
from fairness_core.settings.config import FinetuneConfig


def brought(**more) -> JobRequest:
    return JobRequest("adapter", FinetuneConfig(), ("a photo of a chef",), images=4, name="found", **more)


def test_a_checkpoint_is_kept_while_the_run_goes_on(make):
    runner = make(.05)
    job_id = runner.submit(request(steps=30))
    wait_for_step(runner, job_id, 3)
    runner.keep(job_id, "  early   one ")
    wait_for_step(runner, job_id, 8)
    runner.stop(job_id)
    wait(runner, job_id, "stopped")
    [line] = [line for line in runner.history() if line.job_id != job_id]
    kept = runner.view(line.job_id)
    assert line.request.name == "early one" and kept.request.kind == "adapter"
    assert 3 <= kept.request.config.steps < runner.view(job_id).step, "as it was then, not as it became"
    assert kept.adapter.read_bytes() != runner.view(job_id).adapter.read_bytes()
    assert (kept.folder / f"{kept.job_id}.zip").exists()
    compared = wait(runner, runner.submit(JobRequest("compare", kept.request.config, ("x",), images=4,
                                                     source=kept.job_id)), "finished")
    assert compared.comparisons


def test_a_finished_run_can_be_kept_before_steps_are_added(make):
    runner = make()
    job_id = runner.submit(request())
    wait(runner, job_id, "finished")
    runner.keep(job_id, "done")
    assert {line.request.name for line in runner.history()} == {"", "done"}


@pytest.mark.parametrize("ends", ["well", "in failure"])
def test_a_checkpoint_kept_after_the_last_save_is_not_lost(make, recorder, ends):
    """Neither between the last step and the comparison, nor when the run fails after its last checkpoint."""
    runner = make()
    finetune = runner.engine.finetune

    def late(*arguments, **named):
        yield from (event for event in finetune(*arguments, **named))
        runner.keep(arguments[2].name, "late")
        if ends == "in failure":
            raise RuntimeError("after the last step")
    runner.work.engine = replace(runner.engine, finetune=late)
    job_id = runner.submit(request())
    wait(runner, job_id, "finished" if ends == "well" else "failed")
    [kept] = [line for line in runner.history() if line.job_id != job_id]
    assert kept.request.name == "late" and kept.request.config.steps == 4
    assert runner.view(kept.job_id).adapter.read_bytes() == runner.view(job_id).adapter.read_bytes()


@pytest.mark.parametrize("name", ["", "   ", None, "x" * 61])
def test_a_name_is_needed(make, name):
    runner = make()
    job_id = runner.submit(request())
    with pytest.raises(JobError, match="1 to 60 characters"):
        runner.keep(job_id, name)


def test_someones_adapter_is_compared_at_once(make, tmp_path):
    runner = make()
    view = wait(runner, runner.bring(lora(tmp_path / "mine.safetensors"), brought()), "finished")
    assert view.adapter.name == LORA_FILE and view.comparisons and view.source == view.job_id
    save_file({"<fair>": torch.ones(5, 8)}, tmp_path / "tokens.safetensors")
    view = wait(runner, runner.bring(tmp_path / "tokens.safetensors", brought()), "finished")
    assert view.adapter.name == TOKENS_FILE


def test_it_is_told_that_an_adapter_was_made_for_another_model(make, tmp_path):
    runner, notices = make(.1), []
    runner.work.engine = replace(runner.engine, adapter_notice=lambda model, path: f"{path.name} is not of {model}")
    for job_id in (runner.bring(lora(tmp_path / "mine.safetensors"), brought()),
                   runner.submit(JobRequest("compare", FinetuneConfig(), ("x",), images=4))):
        told = set()
        while (view := runner.view(job_id)).is_active:
            told.add(view.notice)
        notices.append(told - {""})
        assert view.state == "finished", view.failure
    assert notices == [{f"{LORA_FILE} is not of mini"}, set()], "without an adapter there is nothing to tell"


def test_the_engine_knows_what_an_adapter_was_made_for(tmp_path):
    path = lora(tmp_path / "mine.safetensors")
    assert fairness_engine().adapter_notice("mini", path) == ""
    save_file(load_file(path), path, {"ss_sd_model_name": "owner/name"})
    assert fairness_engine().adapter_notice("mini", path).startswith(
        "mine.safetensors was made for owner/name, and this model is mini.")


def test_foreign_files_are_refused_and_leave_nothing(make, tmp_path):
    runner = make()
    files = {"a.pt": b"x", "b.safetensors": b"not safetensors at all"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    save_file({"weight": torch.ones(3, 3), "bias": torch.ones(3)}, tmp_path / "c.safetensors")
    save_file({"text_encoder.x.lora_A.weight": torch.tensor([[np.nan]])}, tmp_path / "d.safetensors")
    for name in ("a.pt", "b.safetensors", "c.safetensors", "d.safetensors"):
        with pytest.raises(AdapterError, match=name):
            runner.bring(tmp_path / name, brought())
    assert runner.history() == [] and not list(runner.runs_root.glob("*/"))


def test_delete(make, tmp_path):
    runner = make(.05)
    job_id = runner.submit(request(steps=30))
    wait_for_step(runner, job_id, 1)
    with pytest.raises(JobError, match="stop it first"):
        runner.delete(job_id)
    runner.stop(job_id)
    wait(runner, job_id, "stopped")
    runner.delete(job_id)
    assert runner.history() == [] and not list(runner.runs_root.glob("*/"))
    for wrong in (job_id, "../x", ""):
        with pytest.raises(JobError):
            runner.delete(wrong)


def test_the_command_holds_the_runs_own_settings(make):
    runner = make()
    view = wait(runner, runner.submit(request()), "finished")
    first, *text, last = run_record.again(view).splitlines()
    assert first.startswith("python -m fairness_core train --out runs/again-") and last == "SETTINGS"
    assert parsed("\n".join(text)) == view.request.config
    assert "All settings" in run_record.about(view)
    read, write = os.pipe()
    os.write(write, "\n".join(text).encode())
    os.close(write)
    assert load_settings(Path(f"/dev/fd/{read}")) == view.request.config, "the command line reads a pasted command"
    os.close(read)
