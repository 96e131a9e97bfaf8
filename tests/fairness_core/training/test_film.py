"""The film strip: from step 0 on, of the prompts that were asked for, with who is seen; and a step's faces by class."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.fakes import tiny_model
from helpers.finetunes import CONFIG, run, steps_of

from fairness_core.evaluation.compare import paint
from fairness_core.events import FilmStrip
from fairness_core.runs import RunFolder, append_event, read_events
from fairness_core.sampling.denoise import to_uint8
from fairness_core.settings.config import ConfigError, FinetuneConfig
from fairness_core.settings.prompt_length import PromptError


def strips_of(events: list) -> list[FilmStrip]:
    return [event for event in events if isinstance(event, FilmStrip)]


@pytest.mark.parametrize("tune", ["text_encoder", "tokens"])
def test_step_0_is_what_the_original_paints(tmp_path, tune):
    """Soft tokens, too, which start as a change of their own."""
    model = tiny_model()
    first, *_ = strips_of(run(tmp_path, replace(CONFIG, tune=tune, steps=1), model))
    original = to_uint8(paint(model, "a nurse", range(6), CONFIG.seed, CONFIG.sampling_steps, CONFIG.guidance_scale))
    assert (first.step, first.prompt) == (0, "a nurse")
    assert np.abs(first.images.astype(int) - original).max() <= 1


def test_the_prompts_asked_for_are_filmed_and_judged(tmp_path):
    config = replace(CONFIG, steps=2, film_prompts=("a chef", "a pilot", "a judge"))
    strips = strips_of(run(tmp_path, config))
    assert [(s.step, s.place, s.prompt) for s in strips] == [
        (step, place, prompt) for step in (0, 2) for place, prompt in enumerate(config.film_prompts)]
    assert all(len(s.images) == len(s.found) == len(s.probabilities["gender"]) == 4 for s in strips)


def test_without_any_the_first_prompts_are_filmed():
    assert FinetuneConfig(prompts=("a", "b", "c", "d")).filmed == ("a", "b", "c")
    assert FinetuneConfig(prompts=("a", "b"), film_prompts=("z",)).filmed == ("z",)


def test_wrong_prompts_to_film_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="film_prompts"):
        FinetuneConfig(prompts=("a",), film_prompts=("a", "b", "c", "d"))
    with pytest.raises(PromptError):
        run(tmp_path, replace(CONFIG, film_prompts=("word " * 200,)))


def test_a_run_that_goes_on_has_one_strip_of_step_0(tmp_path):
    run(tmp_path, replace(CONFIG, steps=2))
    assert 0 not in {strip.step for strip in strips_of(run(tmp_path, resume=True))}


def test_strips_of_several_prompts_are_read_back_with_who_is_seen(tmp_path):
    folder = RunFolder(tmp_path / "run")
    seen = {"gender": np.array([[.9, .1], [.25, .75]])}
    strips = [FilmStrip(5, prompt, np.full((2, 16, 16, 3), 99, np.uint8), place, np.array([True, False]), seen)
              for place, prompt in enumerate(("a nurse", "a chef"))]
    for strip in strips:
        append_event(folder, strip)
    for read, strip in zip(read_events(folder), strips, strict=True):
        assert (read.step, read.prompt, read.place, read.found.tolist()) == (5, strip.prompt, strip.place, [True, False])
        assert np.allclose(read.probabilities["gender"], seen["gender"])


def test_a_step_tells_the_faces_of_each_class_here_and_in_the_originals(tmp_path):
    for step in steps_of(run(tmp_path)):
        assert sum(step.seen["gender"]) == step.faces_found
        assert sum(step.seen_before["gender"]) <= step.images and set(step.seen) == {"gender"}
