"""What tests ask of the worker, and how they wait for it."""

import time

import torch
from safetensors.torch import save_file

from app.jobs.files import JobRequest
from app.jobs.runner import JobRunner
from fairness_core.settings.config import FinetuneConfig

PARITY = {"gender": {"female": .5, "male": .5}}


def request(prompt: str = "a photo of a chef", steps: int = 4, **more) -> JobRequest:
    config = FinetuneConfig(prompts=(prompt,), marginals=PARITY, steps=steps, images_per_prompt=4, checkpoint_every=2)
    return JobRequest("finetune", config, (prompt, "a photo of the face of a nurse, a person"), images=4, **more)


def wait(runner: JobRunner, job_id: str, state: str, seconds: float = 60):
    end = time.monotonic() + seconds
    while (view := runner.view(job_id)).state != state:
        assert time.monotonic() < end, f"still {view.state} ({view.failure}), not {state}"
        time.sleep(.01)
    return view


def wait_for_step(runner: JobRunner, job_id: str, step: int, seconds: float = 60):
    end = time.monotonic() + seconds
    while runner.view(job_id).step < step:
        assert time.monotonic() < end
        time.sleep(.005)


def wait_for_phase(runner: JobRunner, job_id: str, phase: str, seconds: float = 60):
    end = time.monotonic() + seconds
    while runner.view(job_id).phase != phase:
        assert time.monotonic() < end
        time.sleep(.005)


LAYER = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_"


def lora(path):
    save_file({LAYER + "A.weight": torch.ones(4, 8), LAYER + "B.weight": torch.ones(8, 4)}, path)
    return path
