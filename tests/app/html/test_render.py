"""What jobs and comparisons look like on the page: pure functions, read back as text."""

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.fake_engine import FakeModel, Recorder, fake_engine, fake_presets, image_set

from app.html import measures, pictures, render
from app.html.step_log import step_log
from app.jobs import files as jobs
from app.jobs.files import Failure, HistoryLine, JobError, JobRequest, JobView
from app.jobs.lab import LAB
from app.requests import settings
from app.rooms.finetune import continue_label, stop_button
from app.rooms.must_not_move import CHECK
from app.text import duration, friendly_time
from fairness_core.about import About
from fairness_core.events import FilmStrip, StepDone
from fairness_core.report.record import results_record, verdicts
from fairness_core.settings.config import FinetuneConfig

PROMPT = "a photo of the face of a chef, a person"
CONFIG = FinetuneConfig(prompts=(PROMPT,), marginals={"gender": {"female": .5, "male": .5}}, steps=20)
REQUEST = JobRequest("finetune", CONFIG, (PROMPT, "b"), images=8)


def view(state: str = jobs.RUNNING, **more) -> JobView:
    return JobView("20260101-000000-abcdef", REQUEST, state, "2026-01-01T10:00:00+00:00", **more)


def step(number: int, seconds: float = 2.0, skipped: str = "") -> StepDone:
    return StepDone(number, 20, seconds, PROMPT, {"total": 1.0}, {"gender": .2}, 16, 15, skipped)


def comparisons(prompts=(PROMPT, "a photo of the face of a nurse, a person"), images: int = 8):
    engine = fake_engine(0, Recorder())
    found = engine.compare(FakeModel(), list(prompts), range(images), 0, None)
    return [replace(c, held_out="nurse" in c.prompt) for c in found]


@pytest.mark.parametrize(("seconds", "words"), [(.2, "1 s"), (40, "40 s"), (89, "89 s"), (100, "2 min"),
                                                (3540, "59 min"), (4800, "1 h 20 min")])
def test_duration(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(("given", "words"), [
    (None, "Ready"),
    (view(jobs.QUEUED, position=2), "number 2 in the queue"),
    (view(phase=jobs.LOADING), "Loading the model"),
    (view(phase=jobs.FINETUNING), "Step 1 of 20"),
    (view(phase=jobs.FINETUNING, steps=(step(5),)), "Step 5 of 20, about 30 s left. Prompt: “chef”, 15 faces in 16"),
    (view(phase=jobs.FINETUNING, steps=(step(5, skipped="no face found"),)), "Step 5 was skipped: no face found"),
    (view(phase=jobs.FINETUNING, steps=(step(5),), stopping=True), "Stopping after this step"),
    (view(phase=jobs.COMPARING, steps=(step(20),)), "0 of 2 prompts done"),
    (view(jobs.STOPPED, steps=(step(7),)), "Stopped at step 7 of 20. What was learned is kept"),
    (view(jobs.CANCELLED), "nothing was run"),
    (view(jobs.FAILED), "Failed at step 0"),
    (view(jobs.INTERRUPTED), "before its first checkpoint"),
    (view(jobs.INTERRUPTED, adapter="x"), "its last checkpoint can be used"),
])
def test_status_says_what_is_going_on(given, words):
    html = render.status(given)
    assert words in html and 'role="status"' in html


def test_progress_bar_only_while_running():
    assert 'aria-valuenow="25"' in render.status(view(phase=jobs.FINETUNING, steps=(step(5),)))
    assert "progressbar" not in render.status(view(jobs.FINISHED))


@pytest.mark.parametrize(("given", "stop", "go_on"), [
    (None, ("Stop", False), ""),
    (view(), ("Stop", True), ""),
    (view(stopping=True), ("Stopping…", False), ""),
    (view(jobs.QUEUED, position=1), ("Cancel", True), ""),
    (view(jobs.FINISHED, steps=(step(20),)), ("Stop", False), "Add steps"),
    (view(jobs.STOPPED, steps=(step(7),)), ("Stop", False), "Continue"),
    (view(jobs.FAILED, steps=(step(20),)), ("Stop", False), "Continue"),
    (view(jobs.INTERRUPTED), ("Stop", False), "Continue"),
    (view(jobs.FINISHED, recorded=True), ("Stop", False), ""),
])
def test_buttons_follow_the_state(given, stop, go_on):
    assert stop_button(given) == stop
    assert continue_label(given) == go_on


def test_banner_tells_what_to_do_and_is_safe():
    html = render.banner(Failure("<b>It broke ${x} {{y}}", "Do this.", "the <log>"))
    assert 'role="alert"' in html and "Do this." in html and "the &lt;log&gt;" in html
    assert "<b>" not in html and "{" not in html
    assert render.banner(None) == ""


def test_film_shows_the_first_strip_and_the_one_nearest_to_the_scrubber():
    images = image_set("x", range(3), 0, {"gender": (.5, .5), "race": (.25,) * 4, "age": (.5, .5)}).images
    strips = [FilmStrip(s, PROMPT, images) for s in range(5, 100, 5)]
    for scrubbed, steps in ((95, [5, 95]), (51, [5, 50]), (5, [5]), (0, [5]), (1000, [5, 95])):
        html = pictures.film(strips, scrubbed)
        assert [int(s) for s in re.findall(r"<span>step (\d+)</span>", html)] == steps
        assert html.count("<img") == 3 * len(steps) and 'alt="noise 1 after 5 steps"' in html
    assert pictures.film([], 0) == ""


def test_step_log_newest_first():
    html = step_log([step(1), step(2, skipped="no <face>")])
    assert html.index(">2<") < html.index(">1<") and "skipped: no &lt;face&gt;" in html
    assert step_log([]) == ""


def test_pairs_name_both_sides_and_missing_faces():
    one = comparisons()[0]
    one = replace(one, tuned=replace(one.tuned, found=np.zeros(8, bool)))
    html = pictures.pairs(one, ["gender"])
    assert html.count('class="pair"') == 8 and html.count("<img") == 16
    assert 'alt="debiased no. 3: no face found"' in html
    assert re.search(r'alt="original no\. 3: (Male|Female) \d+ %"', html)


def test_origin_of_the_pictures():
    shown = view(jobs.FINISHED, recorded=True, comparisons=tuple(comparisons()))
    label = render.shown_label(shown, " on 2 CPU cores, 2026-01-01")
    assert "Recorded run, made by this code on 2 CPU cores, 2026-01-01." in label
    assert "2 prompts" in label and "50 % Female, 50 % Male" in label
    told = {shown.job_id: About("Short"), "more": About("Several kinds", note="Sports, too.")}
    assert "Also recorded" not in render.shown_label(shown, "", dict([*told.items()][:1]))
    more = render.shown_label(shown, "", told)
    assert more.count("<a ") == 1 and '<a href="?job=more">Several kinds</a> (Sports, too)' in more
    assert render.shown_label(shown, "", {"more": About("more")}).endswith("more</a></div>")
    again = replace(shown, recorded=False, request=replace(REQUEST, strength=.5))
    assert "Your run" in render.shown_label(again) and "strength 0.5" in render.shown_label(again)


def test_star_marks_what_was_held_out():
    assert [label for label, _ in render.prompt_choices(comparisons())] == ["chef", "nurse ★"]


def test_verdict_and_table():
    found = comparisons(images=40)
    told = measures.verdicts(verdicts(found, CONFIG))
    assert "Not yet" in told and "Perceived gender" in told
    html = measures.table(found, CONFIG)
    assert html.count("<tr") == 1 + 3 + 2  # head; gender in all, trained, held out; race and age not controlled
    assert "not controlled" in html and "CLIP-I" in html
    free = replace(CONFIG, marginals={})
    assert verdicts(found, free) == {} and "No target" in measures.table(found, free)


def test_no_face_at_all():
    one = comparisons()[0]
    nobody = replace(one, tuned=replace(one.tuned, found=np.zeros(8, bool)))
    assert verdicts([nobody], CONFIG) == {}
    assert results_record([nobody], CONFIG)["prompts"][0]["after"] == {"images": 8, "faces": 0, "frequencies": {}}


def test_history_links_to_runs():
    line = HistoryLine("20260101-000000-abcdef", "2026-01-01T10:00:00+00:00", jobs.STOPPED, REQUEST, 7)
    html = render.history([line])
    assert 'href="?job=20260101-000000-abcdef"' in html and "stopped, step 7 of 20" in html
    assert "1 Jan, 10:00" in html and render.history([]) == ""
    assert friendly_time("never") == "never"


# ---------------------------------------------------------------- settings

def page_values(**changes) -> dict:
    values = {"gender:control": True, "gender:female": 50, "gender:male": 50, "race:control": False,
              "age:control": False, "occupations:concepts": ["chef", "judge", "pilot"], "sports:concepts": [],
              "descriptors:concepts": [], "free_text": "", "model": "mini", "length": "mini-short",
              "filled_for": "mini-short", "loaded": "", "joint:on": False,
              "target_preset": "Custom", "compare_images": 8, "compare_trained": 2, "compare_held_out": 3,
              **settings.advanced_values(fake_presets()[0].config)}
    values |= {f"race:{c}": 25 for c in ("wmelh", "asian", "black", "indian")} | {"age:young": 75, "age:old": 25}
    return values | changes


def test_what_start_asks_for():
    asked = settings.finetune_request(page_values(free_text=" my  prompt \n\n"), fake_presets()[0].config)
    assert len(asked.config.prompts) == 4 and asked.config.prompts[-1] == "my prompt"
    assert asked.config.marginals == {"gender": {"female": .5, "male": .5}}
    assert len(asked.compare_prompts) == 5 and asked.compare_prompts[:2] == ("my prompt", asked.config.prompts[0])
    assert not set(asked.compare_prompts[2:]) & set(asked.config.prompts)
    assert "cyclist" in asked.compare_prompts[3]  # groups take turns


def test_a_length_just_chosen_counts_before_advanced_is_filled():
    preset = fake_presets()[1].config
    assert settings.finetune_request(page_values(length="mini-medium"), preset).config.steps == preset.steps


@pytest.mark.parametrize(("changes", "words"), [
    ({"occupations:concepts": []}, "No concept is chosen"),
    ({"free_text": "a \ud800 nurse"}, "half a character"),
    ({"gender:control": False}, "No attribute is controlled"),
    ({"gender:female": 60}, "sum to 110.0 %"),
    ({"steps": None}, "Steps"),
    ({"steps": 0}, "Steps"),
    ({"images_per_prompt": 1}, "Images per prompt"),
    ({"learning_rate": -1}, "Learning rate"),
    ({"training_guidance_scale": .5}, "training_guidance_scale is 0.5: it must be 0"),
    ({"training_guidance_scale": 31}, "Training guidance scale"),
    ({"confidence": 2}, "Confidence"),
    ({"compare_trained": 0, "compare_held_out": 0}, "Nothing would be compared"),
])
def test_bad_input_says_what_to_change(changes, words):
    with pytest.raises(ValueError, match=words):
        settings.finetune_request(page_values(**changes), fake_presets()[0].config)


def test_a_plot_marks_each_prompts_own_target():
    own = replace(CONFIG, marginals={"gender": {"female": .5, "male": .5}},
                  targets_by_prompt={"a": {"gender": {"female": .9, "male": .1}}})
    assert measures.target_share(own, "gender", "female", ["a", "b"]) == {"a": .9, "b": .5}
    assert measures.target_share(own, "race", "black", ["a"]) is None
    assert measures.target_share(replace(own, targets_by_prompt={}), "gender", "male", ["a"]) == .5


def test_rendering_again_without_a_result():
    with pytest.raises(JobError, match="nothing to render"):
        settings.again(None, strength=1.0)


def test_concepts_label_counts():
    assert settings.concepts_label(page_values()) == "Concepts: 3 occupations"
    assert settings.concepts_label(page_values(**{"occupations:concepts": []})) == "Concepts: none chosen"


def test_the_page_starts_with_the_concepts_of_its_preset():
    assert settings.chosen_at_first(CONFIG)["occupations:concepts"] == ["chef"]
    assert len(settings.chosen_at_first(replace(CONFIG, prompts=()))["occupations:concepts"]) > 20


@pytest.mark.parametrize(("kind", "words"), [(CHECK, "Must not move"), (LAB, "Gradient lab"), ("compare", "Comparison")])
def test_history_names_each_kind_of_run(kind, words):
    line = HistoryLine("20260101-000000-abcdef", "2026-01-01T10:00:00+00:00", jobs.FINISHED, replace(REQUEST, kind=kind), 0)
    assert words in render.history([line]) and words in render.run_choices([line])[0][0]


def test_the_table_names_its_columns_in_each_cell_and_explains_them():
    html = measures.table(comparisons(), CONFIG)
    assert html.count('data-label="Bias floor"') == html.count('scope="row"') > 0
    assert '<abbr title="How unequal' in html and '<abbr title="What a perfectly fair model' in html
