"""The comparison offers roles said in words, but for those that the run was finetuned on."""

from helpers.jobs import request, wait

from app.rooms.desk import Desk
from app.rooms.more import MorePart
from fairness_core.models.tokenizers import check_prompts
from fairness_core.settings.context import context_prompts


def test_roles_in_words_are_offered_for_the_run_on_show(make):
    runner, seen = make(), context_prompts()[0]
    part = MorePart(Desk(runner))
    assert part.in_context({"job_id": ""}) == {}
    view = wait(runner, runner.submit(request(seen)), "finished")
    assert part.in_context({"job_id": view.job_id}) == {"other_prompts": list(context_prompts()[1:])}


def test_the_built_in_model_reads_those_of_its_language_to_their_end():
    check_prompts("mini", context_prompts())
