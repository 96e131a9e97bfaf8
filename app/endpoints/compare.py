"""The endpoint that paints and measures: /compare."""

from app.endpoints.arguments import Images, Model, Prompts, Seed, SourceId, Strength, Wait, YesOrNo, endpoint
from app.endpoints.asking import compare_request, finished, results
from app.html import render
from app.jobs.runner import JobRunner
from app.rooms.desk import Desk


class CompareEndpoints:
    def __init__(self, runner: JobRunner, desk: Desk):
        self.runner, self.desk = runner, desk

    @endpoint
    async def compare(self, prompts: Prompts, images: Images = 16, seed: Seed = 0, job_id: SourceId = "",
                      model: Model = "mini", strength: Strength = 1.0, wait_seconds: Wait = 300,
                      baseline: YesOrNo = False) -> dict:
        """Paints the same noises with the original and the finetuned model and measures both.

        Args:
            prompts: Built-in concepts such as "nurse", or whole prompts.
            images: Images per prompt and model.
            seed: Noise is a function of seed, prompt and number.
            job_id: The finetune whose adapter is used, or "" for the original model alone.
            model: Which model when job_id is empty; a finetune knows its own.
            strength: How much of the adapter is applied, 0 to 1.5.
            wait_seconds: How long to wait for the result; afterwards ask /status with the job_id of the answer.
            baseline: Whether to paint a third way beside them: the original model with words in the prompt ("an old Black judge"), drawn in the ratio of job_id's target. It takes as many pictures again.

        Returns:
            job_id, state and results: per prompt the frequencies before and after (and with words in the prompt, under baseline), CLIP and DINO similarities; a table; and a verdict per controlled attribute.
        """
        asked = compare_request(self.runner, self.desk, prompts, images, seed, job_id, model, strength, baseline)
        view = await finished(self.runner, asked, wait_seconds)
        return render.status_record(view) | {"results": results(view)}
