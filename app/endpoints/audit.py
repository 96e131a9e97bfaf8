"""The endpoints that judge and hand on: /audit and /report."""

import gradio as gr

from app.endpoints.asking import compare_request, finished, results
from app.errors import readable_errors
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


def add_audit_endpoints(runner: JobRunner, desk: Desk) -> None:
    """Adds /audit and /report to the Blocks being built."""

    async def audit(prompts: list[str], targets: dict = {}, tolerance: float = 0.1, images: int = 32, seed: int = 0,
                    job_id: str = "", model: str = "mini", strength: float = 1.0, wait_seconds: int = 600) -> dict:
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
        with readable_errors():
            if prompts:
                asked = compare_request(runner, desk, prompts, images, seed, job_id, model, strength)
                target = target_of(targets, runner.view(job_id) if job_id else None)
                view = await finished(runner, asked, wait_seconds)
            else:
                view = compared(job_id)
                target = target_of(targets, view)
            told = {} if view.is_active else audit_images([c.tuned for c in view.comparisons], target, float(tolerance))
            return render.status_record(view) | {"audit": told and told.to_plain()}

    def report(job_id: str, format: str = "json") -> str:
        """What a run or comparison found, as the text of a file to keep.

        Args:
            job_id: From /finetune, /compare or /audit.
            format: "json" (frequencies, table and verdicts), "csv" (the table), "html" (a page with figures and pictures that needs no network) or "card" (a model card in Markdown).

        Returns:
            The text of the file.
        """
        with readable_errors():
            if format not in FORMATS:
                raise settings.InputError(f"Unknown format {format!r}: choose among {', '.join(FORMATS)}.")
            view = compared(job_id)
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

    def compared(job_id: str) -> JobView:
        """A job whose images can be judged. Raises JobError."""
        view = runner.view(job_id)
        if not view.comparisons:
            raise JobError(f"Job {job_id} has compared nothing yet: name prompts, or wait until it has.")
        return view

    for endpoint in (audit, report):
        gr.api(endpoint, concurrency_limit=50)


def target_of(targets: dict, view: JobView | None) -> TargetDistribution:
    """The target that is named, else the job's. Raises TargetError or InputError."""
    if targets:
        return TargetDistribution.from_marginals(marginals(targets))
    if view is None or not (view.request.config.marginals or view.request.config.joint):
        raise settings.InputError('No target to judge by: name one, such as {"gender": {"female": 50, "male": 50}}.')
    return view.request.config.target()
