"""The endpoints of a finetune: /models, /finetune, /status and /stop."""

from dataclasses import asdict, replace

from app.endpoints.arguments import JobId, Length, Model, Prompts, Seed, Step, Targets, endpoint
from app.endpoints.asking import events, preset_named, results
from app.html import render
from app.jobs.files import JobRequest
from app.jobs.runner import JobRunner
from app.requests import settings
from app.rooms.desk import Desk
from app.targets.sliders import marginals


class FinetuneEndpoints:
    def __init__(self, runner: JobRunner, desk: Desk):
        self.runner, self.desk = runner, desk

    @endpoint
    def models(self) -> list[dict]:
        """The models that can be finetuned, and in plain words why one cannot be used on this machine.

        Returns:
            One entry a model: name, label, note, unavailable (empty when it can be used), licence (name, url, terms), and download_gb (the size of its download; 0: it comes with the app).
        """
        return [{"name": m.name, "label": m.label, "note": m.note, "unavailable": m.unavailable,
                 "licence": asdict(m.licence), "download_gb": m.download_gb}
                for m in self.runner.engine.available_models()]

    @endpoint
    def finetune(self, targets: Targets, prompts: Prompts, length: Length = "Short", model: Model = "mini",
                 seed: Seed = 0) -> dict:
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
        chosen = settings.checked_prompts([settings.as_prompt(p) for p in prompts])
        config = replace(preset_named(self.desk, length).config, model=settings.usable_model(model, self.runner.engine),
                         prompts=chosen, marginals=marginals(targets), joint=None, joint_attributes=(), seed=seed)
        compared = settings.compare_prompts(chosen, settings.COMPARED_TRAINED, settings.COMPARED_HELD_OUT)
        job_id = self.runner.submit(JobRequest("finetune", config, compared, seed=seed))
        return render.status_record(self.runner.view(job_id))

    @endpoint
    def status(self, job_id: JobId, events_after: Step = -1) -> dict:
        """What became of a job.

        Args:
            job_id: From /finetune or /compare.
            events_after: A step; every step of the finetune after it is told as an event. 0: all of them; -1: none.

        Returns:
            state (queued, running, finished, stopped, cancelled, failed, interrupted), phase, position in the queue, step, total_steps, the last step's losses and distance to the target per attribute, seconds_left, a message and an error in words; events (step, prompt, losses, distance, seconds, images, faces_found, and skipped: why, or empty); and results once prompts are compared.
        """
        view = self.runner.view(job_id)
        return render.status_record(view) | {"events": events(view, events_after), "results": results(view)}

    @endpoint
    def stop(self, job_id: JobId) -> dict:
        """Cancels a waiting job, or stops a running one after its current step; what was learned is kept.

        Args:
            job_id: From /finetune or /compare.

        Returns:
            The job's status.
        """
        self.runner.stop(job_id)
        return render.status_record(self.runner.view(job_id))
