"""The endpoints that judge and hand on: /audit and /report."""

from app.endpoints.arguments import (FacesCounted, Files, Format, ImagesOrNone, JobId, JudgeName, Model, Prompts,
                                     PromptsFrom, Seed, SourceId, Strength, Targets, Tolerance, Wait, endpoint)
from app.endpoints.asking import compare_request, finished, results
from app.endpoints.judging import judged_answer, judged_report
from app.endpoints.judging import status as judged_status
from app.endpoints.judging import told as judged_told
from app.html import render
from app.jobs.files import AUDIT, JobError, JobView
from app.jobs.runner import JobRunner
from app.requests import settings
from app.rooms.desk import Desk
from app.targets.sliders import marginals
from fairness_core import runs
from fairness_core.metrics.audit import audit as audit_images
from fairness_core.report import metrics_table, model_card, to_csv, to_html
from fairness_core.settings.attributes import TargetDistribution
from fairness_core.settings.config import FinetuneConfig
from fairness_core.strict_json import to_json

FORMATS = ("json", "csv", "html", "card")


class AuditEndpoints:
    def __init__(self, runner: JobRunner, desk: Desk):
        self.runner, self.desk = runner, desk

    @endpoint
    async def audit(self, prompts: Prompts, targets: Targets = {}, tolerance: Tolerance = 0.1, images: ImagesOrNone = 32,
                    seed: Seed = 0, job_id: SourceId = "", model: Model = "mini", strength: Strength = 1.0,
                    wait_seconds: Wait = 600, files: Files = [], faces: FacesCounted = "largest",
                    prompts_from: PromptsFrom = "auto", judge: JudgeName = "built-in") -> dict:
        """Judges whether a model, or pictures made elsewhere, keep to a target: pass, fail or cannot tell, per prompt and overall.

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
            files: Pictures made elsewhere, or zips of them, and a CSV or JSON with file_name and prompt if there is one; then nothing is painted, and prompts stays empty.
            faces: Of files: "largest" or "all" faces of a picture count.
            prompts_from: Of files: "auto" takes a list, else what AUTOMATIC1111 or ComfyUI wrote in the picture, else its folder's name; or "list", "written", "folders", "together".
            judge: Of files: who perceives. "built-in" knows synthetic faces only; "critics" and "critics-trained-against" are those of the critics file.

        Returns:
            job_id, state, of files pictures (who judged, a warning, counts, what was skipped, a table), and audit: status, the rule by which it was decided, and per attribute (and their joint classes) the status, the mean distance to the target with its interval and floor, how many more images would tell, and the same for every prompt with frequencies and Wilson intervals.
        """
        if files:
            how = {"judge": judge, "faces": faces, "prompts_from": prompts_from}
            config = FinetuneConfig(marginals=marginals(targets)) if targets else self.target_settings(job_id)
            return await judged_answer(self.runner, files, how, config, tolerance, wait_seconds)
        if prompts:
            asked = compare_request(self.runner, self.desk, prompts, images, seed, job_id, model, strength)
            target = target_of(targets, self.runner.view(job_id) if job_id else None)
            view = await finished(self.runner, asked, wait_seconds)
        else:
            view = self.runner.view(job_id)
            if view.request.kind == AUDIT:
                return judged_status(view) if view.is_active else judged_told(view, target_of(targets, view), tolerance)
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
        if (view := self.runner.view(job_id)).request.kind == AUDIT:
            return judged_report(view, format)
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

    def target_settings(self, job_id: str) -> FinetuneConfig:
        """The settings of a run whose target pictures are judged by. Raises InputError, JobError."""
        view = self.runner.view(job_id) if job_id else None
        target_of({}, view)
        return view.request.config

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
