"""Which prompts, targets and noises the steps of finetune() work on."""

from dataclasses import replace
from inspect import signature

import pytest
import torch
from helpers.fakes import tiny_model
from helpers.finetunes import CONFIG, run, steps_of

from fairness_core.evaluation.compare import paint
from fairness_core.training import film
from fairness_core.training import step as training
from fairness_core.training.asking import Group
from fairness_core.training.objective import judge
from fairness_core.training.step_plan import kept_prompts_of_step, prompts_of_step


def test_every_prompt_has_its_turn_in_every_round():
    config = replace(CONFIG, prompts=("a", "b", "c"), prompts_per_step=2)
    taken = [prompt for step in range(6) for prompt in prompts_of_step(config, step)]
    rounds = [taken[i:i + 3] for i in range(0, 12, 3)]
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1
    assert taken != [p for step in range(6) for p in prompts_of_step(replace(config, seed=1), step)]


def groups_asked(*arguments, **named) -> tuple[Group, ...]:
    """The prompts that `judge` was called for."""
    return signature(judge).bind(*arguments, **named).arguments["groups"]


def test_every_prompt_follows_its_own_target(tmp_path, monkeypatch):
    asked = set()
    prompts = iter(prompt for step in range(2) for prompt in prompts_of_step(CONFIG, step))

    def recorded(*arguments):
        [group] = groups_asked(*arguments)
        asked.add((next(prompts), float(group.target.marginal("gender")[0])))
        return judge(*arguments)

    monkeypatch.setattr(training, "judge", recorded)
    run(tmp_path, replace(CONFIG, steps=2, targets_by_prompt={"a nurse": {"gender": {"female": 0.9, "male": 0.1}}}))
    assert asked == {("a nurse", 0.9), ("a chef", 0.5)}


def test_every_step_keeps_one_prompt_in_turn(tmp_path, monkeypatch):
    """It adds to the gradient without a target; what the step tells is about the others."""
    asked = []
    monkeypatch.setattr(training, "judge", lambda *a: asked.extend(g.target for g in groups_asked(*a)) or judge(*a))
    config = replace(CONFIG, kept_prompts=("a man", "a nurse", "an old man"), steps=3)
    assert [kept_prompts_of_step(config, step) for step in range(3)] == [["a man"], ["an old man"], ["a man"]]
    assert kept_prompts_of_step(CONFIG, 0) == []
    kept = steps_of(run(tmp_path / "kept", config))
    assert [target is None for target in asked] == [False, True] * 3
    alone = steps_of(run(tmp_path / "alone", replace(config, kept_prompts=())))
    assert kept[0].losses == pytest.approx(alone[0].losses, rel=1e-4, abs=1e-6)  # rounding: the batch is another
    assert kept[0].images == alone[0].images and kept[0].distance == pytest.approx(alone[0].distance, rel=1e-4)
    assert kept[1].losses["total"] != pytest.approx(alone[1].losses["total"], rel=1e-4)


def test_several_prompts_a_step(tmp_path):
    for step in steps_of(run(tmp_path, replace(CONFIG, prompts_per_step=2, steps=2))):
        assert (step.images, step.faces_found, step.skipped) == (8, 8, "")


def test_a_prompt_drawn_several_times_is_judged_on_all_its_images_together(tmp_path, monkeypatch):
    """On different noises: what a step of fewer prompts costs, it is worth."""
    drawn, draw = [], training.draw_noise
    monkeypatch.setattr(training, "draw_noise", lambda p, n, *a: drawn.append((p, list(n))) or draw(p, n, *a))
    config = replace(CONFIG, prompts=("a nurse",), prompts_per_step=3, noise_batches=1, steps=1)
    [step] = steps_of(run(tmp_path, config))
    assert (step.images, step.faces_found) == (12, 12)
    [(prompt, numbers)] = [d for d in drawn if d[1][0] >= training.FIRST_TRAINING_NUMBER]
    assert prompt == "a nurse" and len(set(numbers)) == 12


def test_without_a_bank_no_step_meets_a_noise_again_however_often_a_prompt_is_drawn(tmp_path, monkeypatch):
    drawn, draw = [], training.draw_noise
    monkeypatch.setattr(training, "draw_noise", lambda p, n, *a: drawn.extend((p, i) for i in n) or draw(p, n, *a))
    run(tmp_path, replace(CONFIG, prompts_per_step=3, noise_batches=0, steps=4))
    trained = [one for one in drawn if one[1] >= training.FIRST_TRAINING_NUMBER]
    assert len(trained) == 4 * 3 * CONFIG.images_per_prompt == len(set(trained))


@pytest.mark.parametrize(("batches", "painted"), [(1, 2), (0, 4)])
def test_originals_are_painted_once_a_batch_of_noises(tmp_path, monkeypatch, batches, painted):
    seen, look = [], training.look_at_originals
    monkeypatch.setattr(training, "look_at_originals", lambda *a: seen.append(1) or look(*a))
    run(tmp_path, replace(CONFIG, noise_batches=batches))
    assert len(seen) == painted  # two prompts with one batch each, or four steps


def test_training_noises_are_never_those_people_compare(tmp_path, monkeypatch):
    numbers, draw = [], training.draw_noise
    for part in (training, film):
        monkeypatch.setattr(part, "draw_noise", lambda p, n, *a: numbers.append(tuple(n)) or draw(p, n, *a))
    run(tmp_path, replace(CONFIG, film_strip_every=100, steps=3, noise_batches=0))
    trained = [n for n in numbers if n != tuple(range(6))]
    assert len(set(trained)) == 3 and min(min(n) for n in trained) >= 1_000_000


def test_steps_differ_in_their_noises_and_timesteps(tmp_path, monkeypatch):
    noises, timesteps, draw, choose = set(), set(), training.draw_noise, training.choose_timesteps

    def drawn(prompt, numbers, *rest):
        noises.add(tuple(numbers))
        return draw(prompt, numbers, *rest)

    def chosen(*args):
        steps, scale = choose(*args)
        timesteps.add(tuple(steps))
        return steps, scale

    monkeypatch.setattr(training, "draw_noise", drawn)
    monkeypatch.setattr(training, "choose_timesteps", chosen)
    run(tmp_path, replace(CONFIG, prompts=("a nurse",), steps=8, film_strip_every=100))
    noises.discard(tuple(range(6)))  # the film strip's
    assert len(noises) == CONFIG.noise_batches == 2
    assert len(timesteps) > 1


@pytest.mark.parametrize("tune", ["text_encoder", "unet", "both", "tokens"])
def test_originals_are_painted_without_the_adapter(tmp_path, monkeypatch, tune):
    seen, look = [], training.look_at_originals
    monkeypatch.setattr(training, "look_at_originals", lambda critics, images: seen.append(images) or look(critics, images))
    config = replace(CONFIG, prompts=("a nurse",), tune=tune, noise_batches=0, steps=2, learning_rate=0.1)
    run(tmp_path, config)
    for step, images in enumerate(seen):
        numbers = range(1_000_000 + 4 * step, 1_000_000 + 4 * (step + 1))
        torch.testing.assert_close(images, paint(tiny_model(), "a nurse", numbers, config.seed, 3, config.guidance_scale))
    assert len(seen) == 2
