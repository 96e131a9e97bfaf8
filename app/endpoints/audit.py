"""The endpoints that judge and hand on: /audit and /report."""

from app.endpoints.arguments import (Format, ImagesOrNone, JobId, Model, Prompts, Seed, SourceId, Strength, Targets,
                                     Tolerance, Wait, endpoint)
from app.endpoints.asking import compare_request, finished, results
from app.html import render
from app.jobs.files import JobError, JobView
from app.jobs.runner import JobRunner
from app.requests import settings
from app.rooms.desk import Desk
from app.targets.sliders import marginals
from fairness_core import runs
from fairness_core.metrics.audit import audit as audit_images
from fairness_core.report import metrics_table, model_card, to_csv, to_html
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.strict_json import to_json

FORMATS = ("json", "csv", "html", "card")


class AuditEndpoints:
    def __init__(self, runner: JobRunner, desk: Desk):
        self.runner, self.desk = runner, desk

    @endpoint
    async def audit(self, prompts: Prompts, targets: Targets = {}, tolerance: Tolerance = 0.1, images: ImagesOrNone = 32,
                    seed: Seed = 0, job_id: SourceId = "", model: Model = "mini", strength: Strength = 1.0,
                    wait_seconds: Wait = 600) -> dict:
        """Judges whether a model keeps to a target: pass, fail or cannot tell, per prompt and overall.

        Args:
            prompts: Built-in concepts such as "nurse", or whole prompts; an empty list judges the images that job_id has compared already, and paints nothing.
            targets: Percent per attribute and class, for example {"gender": {"female": 50, "male": 50}}; left empty, the target of job_id.
            tolerance: The largest distance to the target that passes: the share of faces that may have to change, above 0 and below 1.
            images: Images per prompt.
            seed: Noise is a function of seed, prompt and number.
            job_id: The finetune whose model is audited, or "" for the original model.
            model: Which model when job_id is empty.
            strength: How much of the adapter is applied, 0 to 1.5.
            wait_seconds: How long to wait for the images; afterwards call again with prompts [] and the job_id of the answer.

        Returns:
            job_id, state and audit: status, the rule by which it was decided, and per attribute (and their joint classes) the status, the mean distance to the target with its interval and floor, how many more images would tell, and the same for every prompt with frequencies and Wilson intervals.
        """
        if prompts:
            asked = compare_request(self.runner, self.desk, prompts, images, seed, job_id, model, strength)
            target = target_of(targets, self.runner.view(job_id) if job_id else None)
            view = await finished(self.runner, asked, wait_seconds)
        else:
            view = self.compared(job_id)
            target = target_of(targets, view)
        told = {} if view.is_active else audit_images([c.tuned for c in view.comparisons], target, tolerance)
        return render.status_record(view) | {"audit": told and told.to_plain()}

    @endpoint
    def report(self, job_id: JobId, format: Format = "json") -> str:
        """What a run or comparison found, as the text of a file to keep.

        Args:
            job_id: From /finetune, /compare or /audit.
            format: "json" (frequencies, table and verdicts), "csv" (the table), "html" (a page with figures and pictures that needs no network) or "card" (a model card in Markdown).

        Returns:
            The text of the file.
        """
        if format not in FORMATS:
            raise settings.InputError(f"Unknown format {format!r}: choose among {', '.join(FORMATS)}.")
        view = self.compared(job_id)
        config, comparisons = view.request.config, list(view.comparisons)
        about = runs.read_about(runs.RunFolder(view.folder))
        match format:
            case "json":
                return to_json({"job_id": job_id, "images": view.request.images} | results(view))
            case "csv":
                return to_csv(metrics_table(comparisons, config.target(), config.own_targets()))
            case "html":
                return to_html(config, list(view.steps), comparisons, about)
            case "card":
                return model_card(config, metrics_table(comparisons, config.target(), config.own_targets()), about)

    def compared(self, job_id: str) -> JobView:
        """A job whose images can be judged. Raises JobError."""
        view = self.runner.view(job_id)
        if not view.comparisons:
            raise JobError(f"Job {job_id} has compared nothing yet: name prompts, or wait until it has.")
        return view


def target_of(targets: dict, view: JobView | None) -> TargetDistribution:
    """The target that is named, else the job's. Raises TargetError or InputError."""
    if targets:
        return TargetDistribution.from_marginals(marginals(targets))
    if view is None or not (view.request.config.marginals or view.request.config.joint):
        raise settings.InputError('No target to judge by: name one, such as {"gender": {"female": 50, "male": 50}}.')
    return view.request.config.target()
