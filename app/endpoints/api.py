"""Named, typed, documented endpoints: the API of the app, and its MCP tools."""

from dataclasses import asdict, replace

import gradio as gr

from app.endpoints.asking import compare_request, events, finished, preset_named, results
from app.endpoints.audit import add_audit_endpoints
from app.errors import readable_errors
from app.html import render
from app.jobs.files import JobRequest
from app.jobs.runner import JobRunner
from app.requests import settings
from app.rooms.desk import Desk
from app.targets.sliders import marginals


def add_endpoints(runner: JobRunner, desk: Desk) -> None:
    """Adds every endpoint to the Blocks being built."""

    def models() -> list[dict]:
        """The models that can be finetuned, and in plain words why one cannot be used on this machine.

        Returns:
            One entry a model: name, label, note, unavailable (empty when it can be used), licence (name, url, terms), and download_gb (the size of its download; 0: it comes with the app).
        """
        return [{"name": m.name, "label": m.label, "note": m.note, "unavailable": m.unavailable,
                 "licence": asdict(m.licence), "download_gb": m.download_gb}
                for m in runner.engine.available_models()]

    def finetune(targets: dict, prompts: list[str], length: str = "Short", model: str = "mini",
                 seed: int = 0) -> dict:
        """Starts a finetune toward target shares of perceived attributes, followed by a comparison.

        Args:
            targets: Percent per attribute and class, each attribute summing to 100, for example {"gender": {"female": 50, "male": 50}}. Attributes left out are not controlled.
            prompts: What to finetune on: built-in concepts such as "firefighter", or whole prompts.
            length: Short, Medium or Long.
            model: A name from /models; on a machine of your own also the folder or hub id of a Stable Diffusion.
            seed: The same seed and settings give the same run.

        Returns:
            job_id, state and position in the queue; ask /status with the job_id.
        """
        with readable_errors():
            chosen = settings.checked_prompts([settings.as_prompt(p) for p in prompts])
            config = replace(preset_named(desk, length).config, model=settings.usable_model(model, runner.engine), prompts=chosen,
                             marginals=marginals(targets), joint=None, joint_attributes=(), seed=int(seed))
            compared = settings.compare_prompts(chosen, settings.COMPARED_TRAINED, settings.COMPARED_HELD_OUT)
            job_id = runner.submit(JobRequest("finetune", config, compared, seed=int(seed)))
            return render.status_record(runner.view(job_id))

    def status(job_id: str, events_after: int = -1) -> dict:
        """What became of a job.

        Args:
            job_id: From /finetune or /compare.
            events_after: A step; every step of the finetune after it is told as an event. 0: all of them; -1: none.

        Returns:
            state (queued, running, finished, stopped, cancelled, failed, interrupted), phase, position in the queue, step, total_steps, the last step's losses and distance to the target per attribute, seconds_left, a message and an error in words; events (step, prompt, losses, distance, seconds, images, faces_found, and skipped: why, or empty); and results once prompts are compared.
        """
        with readable_errors():
            view = runner.view(job_id)
            return render.status_record(view) | {"events": events(view, events_after), "results": results(view)}

    def stop(job_id: str) -> dict:
        """Cancels a waiting job, or stops a running one after its current step; what was learned is kept.

        Args:
            job_id: From /finetune or /compare.

        Returns:
            The job's status.
        """
        with readable_errors():
            runner.stop(job_id)
            return render.status_record(runner.view(job_id))

    async def compare(prompts: list[str], images: int = 16, seed: int = 0, job_id: str = "", model: str = "mini",
                      strength: float = 1.0, wait_seconds: int = 300) -> dict:
        """Paints the same noises with the original and the finetuned model and measures both.

        Args:
            prompts: Built-in concepts such as "nurse", or whole prompts.
            images: Images per prompt and model.
            seed: Noise is a function of seed, prompt and number.
            job_id: The finetune whose adapter is used, or "" for the original model alone.
            model: Which model when job_id is empty; a finetune knows its own.
            strength: How much of the adapter is applied, 0 to 1.5.
            wait_seconds: How long to wait for the result; afterwards ask /status with the job_id of the answer.

        Returns:
            job_id, state and results: per prompt the frequencies before and after with their 95 % intervals, CLIP and DINO similarities; a table; and a verdict per controlled attribute.
        """
        with readable_errors():
            asked = compare_request(runner, desk, prompts, images, seed, job_id, model, strength)
            view = await finished(runner, asked, wait_seconds)
            return render.status_record(view) | {"results": results(view)}

    for endpoint in (models, finetune, status, stop):
        gr.api(endpoint, concurrency_limit=None)
    gr.api(compare, concurrency_limit=50)
    add_audit_endpoints(runner, desk)
