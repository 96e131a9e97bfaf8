"""The list of runs shows a pair and what came of it, without reading all pictures each time."""

import json
import re

from helpers.jobs import request, wait

from app.html.glance import asked, glance
from app.html.render import history
from app.jobs.glances import Glances
from app.rooms.must_not_move import panel_request


def test_a_glance_is_made_once_and_anew_when_the_comparison_changed(make, monkeypatch):
    runner, made = make(), []
    run = wait(runner, runner.submit(request()), "finished")

    def counted(*arguments):
        made.append(1)
        return glance(*arguments)
    for _ in range(2):
        seen = Glances(runner.runs_root, counted).of(runner.history())[run.job_id]
    assert len(made) == 1 and len(seen["pair"]) == 2 and seen["pair"][0].startswith("data:image/webp")
    assert seen["marks"][0][0].endswith("Perceived gender")
    runner.correct(run.job_id, ())
    Glances(runner.runs_root, counted).of(runner.history())
    assert len(made) == 2


def test_a_damaged_file_or_run_costs_the_glance_alone(make):
    runner = make()
    run = wait(runner, runner.submit(request()), "finished")
    glances = Glances(runner.runs_root, glance)
    glances.path.write_text("[1", encoding="utf-8")
    assert run.job_id in glances.of(runner.history())
    assert run.job_id in json.loads(glances.path.read_text(encoding="utf-8"))
    (run.folder / "comparisons.json").write_text("{", encoding="utf-8")
    assert glances.of(runner.history()) == {}


def test_what_is_gone_is_forgotten(make):
    runner = make()
    first, second = (wait(runner, runner.submit(request()), "finished") for _ in range(2))
    glances = Glances(runner.runs_root, glance)
    glances.of(runner.history())
    runner.delete(first.job_id)
    runner.correct(second.job_id, ())
    glances.of(runner.history())
    assert list(json.loads(glances.path.read_text(encoding="utf-8"))) == [second.job_id]


def test_the_list_shows_pictures_prompts_and_verdict(make):
    runner = make()
    run = wait(runner, runner.submit(request()), "finished")
    lines = runner.history()
    html = history(lines, Glances(runner.runs_root, glance).of(lines))
    assert html.count("<img") == 2 and "Perceived gender" in html and "1 prompt; compared: a photo of a chef, nurse" in html
    assert asked(run.request) in html


def test_a_panel_is_not_judged_against_a_target(make):
    runner = make()
    run = wait(runner, runner.submit(request()), "finished")
    check = wait(runner, runner.submit(panel_request(run)), "finished")
    marks = Glances(runner.runs_root, glance).of(runner.history())[check.job_id]["marks"]
    assert len(marks) == 1 and re.fullmatch(
        r"Of 9 prompts \d moved, \d kept, \d cannot be told(, \d never painted so)?", marks[0][0])
    assert sum(map(int, re.findall(r"\d", marks[0][0].removeprefix("Of 9 prompts")))) == 9, "no answer is left out"
