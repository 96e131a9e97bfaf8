"""finetune(): its events, what it leaves behind, and that a run stopped anywhere ends as if it had not been."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.fakes import BrightnessNetwork, FixedDetector, no_faces, tiny_critics, tiny_model, tiny_tokenizer
from safetensors.torch import load_file
from torch.nn import functional as F

from fairness_core.adapters.attach import attach_adapter, load_adapter
from fairness_core.critics.faces import crop_faces
from fairness_core.evaluation.compare import paint
from fairness_core.events import FilmStrip, Finished, Saved, Started, StepDone
from fairness_core.sampling.denoise import PromptError, encode_prompts, to_uint8
from fairness_core.settings.attributes import TargetDistribution, TargetError
from fairness_core.settings.config import ConfigError, FinetuneConfig, LossWeights, load_config
from fairness_core.training import finetune as finetuning
from fairness_core.training import step as training
from fairness_core.training.asking import Group
from fairness_core.training.checkpoints import CheckpointError
from fairness_core.training.finetune import finetune
from fairness_core.training.step_plan import kept_prompts_of_step, prompts_of_step

ROOT = Path(__file__).resolve().parents[3]
CONFIG = FinetuneConfig(
    model="tiny", prompts=("a nurse", "a chef"), marginals={"gender": {"female": 0.5, "male": 0.5}}, lora_rank=2,
    learning_rate=0.01, steps=4, images_per_prompt=4, sampling_steps=3, timesteps_per_update=2, film_strip_every=2,
    checkpoint_every=2, losses=LossWeights(confidence=0.5))


def stop_after(steps: int):
    """A should_stop that lets `steps` steps pass."""
    asked = iter(range(10_000))
    return lambda: next(asked) >= steps


def run(folder: Path, config: FinetuneConfig = CONFIG, model=None, **options) -> list:
    return list(finetune(model or tiny_model(), config, folder, **options))


def steps_of(events: list) -> list[StepDone]:
    return [event for event in events if isinstance(event, StepDone)]


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_untouched(model, before: dict[str, dict[str, torch.Tensor]]) -> None:
    for part, weights in before.items():
        found = getattr(model, part).state_dict()
        assert list(found) == list(weights)
        assert all(torch.equal(found[name], value) for name, value in weights.items())


def checkpointed(folder: Path) -> list[torch.Tensor]:
    """The trainable parameters in the folder's checkpoint."""
    tensors = load_file(folder / "checkpoint.safetensors")
    return [value for name, value in sorted(tensors.items()) if name.startswith("parameter.")]


# ---------------------------------------------------------------- events

def test_events_in_order(tmp_path):
    events = run(tmp_path)
    assert [type(e) for e in events] == [
        Started, StepDone, StepDone, FilmStrip, Saved, StepDone, StepDone, FilmStrip, Saved, Finished]
    adapter = tmp_path / "adapter" / "pytorch_lora_weights.safetensors"
    assert events[0] == Started(0, 4)
    assert events[-1] == Finished(4, "completed", adapter) and adapter.exists()
    assert [e.step for e in events if isinstance(e, Saved)] == [2, 4]
    assert load_config(tmp_path / "config.yaml") == CONFIG


def test_a_step_tells_what_it_did(tmp_path):
    for number, step in enumerate(steps_of(run(tmp_path)), start=1):
        assert (step.step, step.total_steps, step.skipped) == (number, 4, "")
        assert (step.images, step.faces_found) == (4, 4)
        assert step.prompt in CONFIG.prompts and step.seconds > 0
        assert set(step.losses) == {"total", "alignment", "semantics", "face"}
        assert all(np.isfinite(value) for value in step.losses.values()) and step.losses["alignment"] > 0
        assert 0 <= step.distance["gender"] <= 1


def test_the_last_step_ends_with_a_film_strip_whatever_its_number(tmp_path):
    events = run(tmp_path, replace(CONFIG, steps=3, film_strip_every=2))
    strips = [e for e in events if isinstance(e, FilmStrip)]
    assert [e.step for e in strips] == [2, 3]
    assert all(e.images.shape == (6, 16, 16, 3) and e.images.dtype == np.uint8 for e in strips)
    assert all(e.prompt == "a nurse" for e in strips)


def test_the_film_strip_shows_the_same_noises(tmp_path):
    """An adapter that hardly moved paints what the original paints from them."""
    model = tiny_model()
    original = to_uint8(paint(model, "a nurse", range(6), CONFIG.seed, CONFIG.sampling_steps, CONFIG.guidance_scale))
    for event in finetune(model, replace(CONFIG, learning_rate=1e-9), tmp_path):
        if isinstance(event, FilmStrip):
            assert np.abs(event.images.astype(int) - original).max() <= 1


def test_every_prompt_has_its_turn_in_every_round():
    config = replace(CONFIG, prompts=("a", "b", "c"), prompts_per_step=2)
    taken = [prompt for step in range(6) for prompt in prompts_of_step(config, step)]
    rounds = [taken[i:i + 3] for i in range(0, 12, 3)]
    assert all(sorted(r) == ["a", "b", "c"] for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1
    assert taken != [p for step in range(6) for p in prompts_of_step(replace(config, seed=1), step)]


def groups_of(arguments: tuple) -> tuple[Group, ...]:
    return arguments[4]


def test_every_prompt_follows_its_own_target(tmp_path, monkeypatch):
    asked, judge = set(), training.judge
    prompts = iter(prompt for step in range(2) for prompt in prompts_of_step(CONFIG, step))

    def recorded(*arguments):
        [group] = groups_of(arguments)
        asked.add((next(prompts), float(group.target.marginal("gender")[0])))
        return judge(*arguments)

    monkeypatch.setattr(training, "judge", recorded)
    run(tmp_path, replace(CONFIG, steps=2, targets_by_prompt={"a nurse": {"gender": {"female": 0.9, "male": 0.1}}}))
    assert asked == {("a nurse", 0.9), ("a chef", 0.5)}


def test_every_step_keeps_one_prompt_in_turn(tmp_path, monkeypatch):
    """It adds to the gradient without a target; what the step tells is about the others."""
    asked, judge = [], training.judge
    monkeypatch.setattr(training, "judge", lambda *a: asked.extend(g.target for g in groups_of(a)) or judge(*a))
    config = replace(CONFIG, kept_prompts=("a man", "a nurse", "an old man"), steps=3)
    assert [kept_prompts_of_step(config, step) for step in range(3)] == [["a man"], ["an old man"], ["a man"]]
    assert kept_prompts_of_step(CONFIG, 0) == []
    kept = steps_of(run(tmp_path / "kept", config))
    assert [target is None for target in asked] == [False, True] * 3
    alone = steps_of(run(tmp_path / "alone", replace(config, kept_prompts=())))
    assert kept[0].losses == pytest.approx(alone[0].losses, rel=1e-4, abs=1e-6)  # rounding: the batch is another
    assert kept[0].images == alone[0].images and kept[0].distance == pytest.approx(alone[0].distance, rel=1e-4)
    assert kept[1].losses["total"] != pytest.approx(alone[1].losses["total"], rel=1e-4)


def test_a_kept_prompt_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(PromptError, match="shorten"):
        next(finetune(tiny_model(), replace(CONFIG, kept_prompts=("a man " * 40,)), tmp_path))


def test_an_unusable_target_of_one_prompt_is_refused_before_the_first_event(tmp_path):
    config = replace(CONFIG, targets_by_prompt={"a poet": {"gender": {"female": 0.9}}})
    with pytest.raises(TargetError, match="'a poet'"):
        next(finetune(tiny_model(), config, tmp_path))


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
    for part in (training, finetuning):
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


# ---------------------------------------------------------------- what changes and what does not

@pytest.mark.parametrize("gradient", ["adjusted", "naive", "unscaled"])
def test_every_gradient_trains(tmp_path, gradient):
    config = replace(CONFIG, gradient=gradient, steps=2)
    events = run(tmp_path, config)
    assert not any(step.skipped for step in steps_of(events))
    assert all(value.abs().max() > 0 for value in checkpointed(tmp_path))  # B starts at zero


@pytest.mark.parametrize("options", [
    {"guidance_scale": 1.0}, {"unconditional_gradient": False}, {"timesteps_per_update": 0}, {"timesteps_per_update": 1}])
def test_every_way_to_the_gradient_trains(tmp_path, options):
    events = run(tmp_path, replace(CONFIG, steps=2, **options))
    assert not any(step.skipped for step in steps_of(events))
    assert all(value.abs().max() > 0 for value in checkpointed(tmp_path))


def test_the_model_is_left_as_it_was(tmp_path):
    model = tiny_model()
    before = {part: weights_of(getattr(model, part)) for part in ("text_encoder", "unet", "vae")}
    run(tmp_path, model=model)
    assert_untouched(model, before)


@pytest.mark.parametrize("tune", ["unet", "both", "tokens"])
@pytest.mark.parametrize("gradient", ["adjusted", "naive"])
def test_every_kind_trains_and_leaves_the_model_as_it_was(tmp_path, tune, gradient):
    model = tiny_model()
    before = {part: weights_of(getattr(model, part)) for part in ("text_encoder", "unet", "vae")}
    events = run(tmp_path, replace(CONFIG, tune=tune, gradient=gradient), model)
    assert not any(step.skipped for step in steps_of(events))
    assert_untouched(model, before)
    fresh = attach_adapter(model, tune, rank=2, alpha=2, targets=("attention", "mlp"), soft_tokens=5, seed=CONFIG.seed)
    trained = load_file(tmp_path / "checkpoint.safetensors")
    assert all((trained[f"parameter.{i}"] - p).abs().max() > 1e-3 for i, p in enumerate(fresh))
    load_adapter(model, events[-1].adapter)
    strip = [e for e in events if isinstance(e, FilmStrip)][-1]
    shown = to_uint8(paint(model, strip.prompt, range(6), CONFIG.seed, CONFIG.sampling_steps, CONFIG.guidance_scale))
    assert np.abs(strip.images.astype(int) - shown).max() <= 1


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


@pytest.mark.parametrize("tune", ["both", "tokens"])
def test_the_gradient_of_all_parameters_together_is_clipped(tmp_path, monkeypatch, tune):
    norms, step = [], torch.optim.AdamW.step

    def watched(self, *args, **options):
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(torch.stack([g.norm() for g in gradients]).norm().item())
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    run(tmp_path / "a", replace(CONFIG, tune=tune, steps=1, max_grad_norm=1e6))
    run(tmp_path / "b", replace(CONFIG, tune=tune, steps=1, max_grad_norm=norms[0] / 10))
    assert norms[1] == pytest.approx(norms[0] / 10, rel=1e-3)


@pytest.mark.parametrize("tune", ["both", "tokens"])
def test_every_kind_trains_in_mixed_precision(tmp_path, tune):
    events = run(tmp_path, replace(CONFIG, tune=tune, steps=2), replace(tiny_model(), precision=torch.bfloat16))
    assert not any(step.skipped for step in steps_of(events))
    assert all(value.abs().max() > 0 for value in checkpointed(tmp_path))


def test_prompts_must_leave_room_for_the_tokens(tmp_path):
    config = replace(CONFIG, prompts=("x" * 18,))
    assert next(finetune(tiny_model(), config, tmp_path))
    with pytest.raises(PromptError, match="at most 17 beside the 5 soft tokens"):
        next(finetune(tiny_model(), replace(config, tune="tokens"), tmp_path))


def test_an_abandoned_run_leaves_the_model_as_it_was(tmp_path):
    model = tiny_model()
    before = {"text_encoder": weights_of(model.text_encoder)}
    events = finetune(model, CONFIG, tmp_path)
    next(events), next(events)
    events.close()
    assert_untouched(model, before)


def test_an_error_while_the_originals_are_painted_leaves_the_model_usable(tmp_path, monkeypatch):
    model = tiny_model()
    before = {"text_encoder": weights_of(model.text_encoder)}

    def fail(*_args, **_options):
        raise MemoryError("too many images")

    with monkeypatch.context() as patch:
        patch.setattr(training, "look_at_originals", fail)
        with pytest.raises(MemoryError):
            run(tmp_path / "a", model=model)
    assert_untouched(model, before)
    assert not any(step.skipped for step in steps_of(run(tmp_path / "b", model=model)))


def test_the_same_seed_gives_the_same_adapter_and_another_seed_another(tmp_path):
    first, second, other = (run(tmp_path / name, replace(CONFIG, seed=seed))[-1].adapter.read_bytes()
                            for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert first == second
    assert first != other


def test_a_linear_schedule_lowers_the_rate_evenly_to_nothing(tmp_path, monkeypatch):
    rates, real = [], torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    run(tmp_path / "linear", replace(CONFIG, learning_rate_schedule="linear"))
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    rates.clear()
    run(tmp_path / "constant")
    assert rates == [0.01] * 4


def test_the_adapter_changes_the_prompt_embeddings_once_loaded(tmp_path):
    model = tiny_model()
    adapter = run(tmp_path, model=model)[-1].adapter

    def embeddings() -> torch.Tensor:
        with torch.no_grad():
            return encode_prompts(tiny_tokenizer(), model.text_encoder, ["a nurse"])

    before = embeddings()
    load_adapter(model, adapter)
    assert not torch.allclose(embeddings(), before)


def test_what_is_saved_is_the_average(tmp_path):
    config = replace(CONFIG, steps=1, ema_decay=0.0)
    saved = load_file(run(tmp_path / "none", config)[-1].adapter)
    assert sorted(map(tensor_key, saved.values())) == sorted(map(tensor_key, checkpointed(tmp_path / "none")))
    slow = load_file(run(tmp_path / "slow", replace(config, steps=3, ema_decay=0.99))[-1].adapter)
    assert sorted(map(tensor_key, slow.values())) != sorted(map(tensor_key, checkpointed(tmp_path / "slow")))


def tensor_key(tensor: torch.Tensor) -> tuple:
    return tuple(tensor.flatten().tolist())


def test_a_short_run_moves_the_distribution_to_the_target(tmp_path):
    """A world where perception is brightness and 85 % start as male: ten adjusted steps even it out."""
    model = tiny_model()
    images = paint(model, "a nurse", range(64), 1, 3, 3.0)
    brightness = crop_faces(images, FixedDetector()(images).boxes, 8).mean((1, 2, 3))
    network = BrightnessNetwork(middle=brightness.quantile(0.15).item())
    bank = F.normalize(torch.rand(4, 3 * 8 * 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    model = replace(model, critics=replace(
        model.critics, classifier=network, evaluator=network, face_embedder=network, face_bank=bank))
    config = replace(
        CONFIG, prompts=("a nurse",), steps=12, images_per_prompt=16, noise_batches=0, learning_rate=0.02, lora_rank=4,
        timesteps_per_update=0, film_strip_every=100, checkpoint_every=100, losses=LossWeights(0.5, 0.05, 0.8))
    events = run(tmp_path, config, model)
    steps = steps_of(events)
    assert steps[0].distance["gender"] > 0.25
    assert np.mean([step.distance["gender"] for step in steps[-4:]]) < 0.15
    assert np.mean([step.losses["alignment"] for step in steps[-4:]]) < 0.6 * steps[0].losses["alignment"]
    load_adapter(model, events[-1].adapter)
    unseen = paint(model, "a nurse", range(64), 1, 3, 3.0)
    male = network.probabilities(crop_faces(unseen, FixedDetector()(unseen).boxes, 8))["gender"][:, 1].mean().item()
    assert 0.35 < male < 0.65


# ---------------------------------------------------------------- stopping and continuing

def test_stop_is_seen_within_one_step_and_keeps_what_was_learned(tmp_path):
    config = replace(CONFIG, steps=100, film_strip_every=100, checkpoint_every=100)
    stopped = run(tmp_path / "stopped", config, should_stop=stop_after(2))
    assert [type(e) for e in stopped] == [Started, StepDone, StepDone, Finished]
    assert (stopped[-1].step, stopped[-1].reason) == (2, "stopped")
    whole = run(tmp_path / "whole", replace(config, steps=2))
    assert stopped[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()


def test_stopped_before_the_first_step_the_adapter_is_the_identity(tmp_path):
    events = run(tmp_path, should_stop=lambda: True)
    assert [type(e) for e in events] == [Started, Finished] and events[-1].reason == "stopped"
    assert all((v == 0).all() for k, v in load_file(events[-1].adapter).items() if "lora_B" in k)


@pytest.mark.parametrize("options", [
    {}, {"learning_rate_schedule": "linear"}, {"noise_batches": 0, "prompts_per_step": 2}, {"tune": "unet"},
    {"tune": "tokens", "soft_tokens": 3}, {"tune": "both", "lora_alpha": 5, "lora_targets": ("mlp",)}, {"tune": "both", "gradient": "naive"}])
def test_a_run_stopped_and_continued_equals_one_that_was_not(tmp_path, options):
    config = replace(CONFIG, **options)
    whole = run(tmp_path / "whole", config)
    run(tmp_path / "parts", config, should_stop=stop_after(2))
    rest = run(tmp_path / "parts", config, resume=True)
    assert rest[0] == Started(2, 4)
    assert [step.step for step in steps_of(rest)] == [3, 4]
    assert rest[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()
    assert [s.losses for s in steps_of(rest)] == [s.losses for s in steps_of(whole)[2:]]


def test_a_finished_run_continues_with_more_steps(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", replace(CONFIG, steps=2))
    more = run(tmp_path / "parts", CONFIG, resume=True)
    assert more[0] == Started(2, 4)
    assert more[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()
    again = run(tmp_path / "parts", CONFIG, resume=True)
    assert again == [Started(4, 4), Finished(4, "completed", more[-1].adapter)]
    assert again[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()


def test_resuming_where_nothing_was_saved_starts_at_the_beginning(tmp_path):
    assert run(tmp_path, replace(CONFIG, steps=1), resume=True)[0] == Started(0, 1)


@pytest.mark.parametrize("changes", [{"lora_rank": 5}, {"lora_alpha": 8.0}, {"tune": "unet"}, {"lora_targets": ("mlp",)}])
def test_a_checkpoint_of_other_settings_is_refused_and_the_runs_own_settings_stay(tmp_path, changes):
    run(tmp_path, replace(CONFIG, steps=2))
    kept = (tmp_path / "config.yaml").read_text()
    model = tiny_model()
    before = {"text_encoder": weights_of(model.text_encoder)}
    events = finetune(model, replace(CONFIG, **changes), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match=f"{next(iter(changes))}.*the run's own settings"):
        next(events)
    assert (tmp_path / "config.yaml").read_text() == kept
    assert_untouched(model, before)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(tmp_path, replace(CONFIG, steps=2))
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="damaged"):
        next(finetune(tiny_model(), CONFIG, tmp_path, resume=True))


KILLED = """
import sys
from pathlib import Path
from helpers.fakes import tiny_model
from fairness_core.settings.config import load_config
from fairness_core.training.finetune import finetune
config = load_config(Path(sys.argv[1]))
folder = Path(sys.argv[2])
for event in finetune(tiny_model(), config, folder, resume=(folder / "checkpoint.safetensors").exists()):
    print(type(event).__name__, flush=True)
"""


@pytest.mark.slow
def test_a_process_killed_five_times_ends_as_if_it_had_not_been(tmp_path):
    """kill -9 at moments nobody chose; the checkpoint is either the last one or the one before, never half."""
    config = replace(CONFIG, steps=40, checkpoint_every=1, film_strip_every=100)
    config.save(tmp_path / "settings.yaml")
    whole, waits = run(tmp_path / "whole", config), [random.uniform(0.0, 0.3) for _ in range(5)]
    for wait in waits:
        kill_after_a_save(tmp_path, wait)
    rest = run(tmp_path / "killed", config, resume=True)
    assert 5 <= rest[0].first_step < 40, f"waited {waits}"
    assert rest[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes(), f"killed after {waits}"


def kill_after_a_save(folder: Path, wait: float) -> None:
    """Goes on with the run in a process of its own, which is killed `wait` seconds after its first checkpoint."""
    command = [sys.executable, "-c", KILLED, str(folder / "settings.yaml"), str(folder / "killed")]
    with subprocess.Popen(command, cwd=ROOT / "tests", env=environment(), stdout=subprocess.PIPE, text=True) as process:
        while "Saved" not in (line := process.stdout.readline()):
            assert line, "the run ended before its first checkpoint"
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


# ---------------------------------------------------------------- what goes wrong

def test_a_gradient_that_is_not_finite_skips_the_step_and_says_so(tmp_path, monkeypatch):
    judged, judge = [], training.judge

    def broken(*args):
        judgement = judge(*args)
        judged.append(judgement)
        factor = float("nan") if len(judged) == 2 else 1.0
        return replace(judgement, latents_gradient=judgement.latents_gradient * factor)

    monkeypatch.setattr(training, "judge", broken)
    parameters, steps = [], []
    for event in finetune(tiny_model(), replace(CONFIG, steps=3, checkpoint_every=1), tmp_path):
        steps += [event] if isinstance(event, StepDone) else []
        parameters += [checkpointed(tmp_path)] if isinstance(event, Saved) else []
    assert [step.skipped for step in steps] == ["", "the gradient was not finite", ""]
    same = [all(torch.equal(a, b) for a, b in zip(*pair)) for pair in zip(parameters, parameters[1:])]
    assert same == [True, False]


def test_without_any_face_the_step_is_skipped_and_says_so(tmp_path):
    events = run(tmp_path, model=tiny_model(tiny_critics(no_faces())))
    for step in steps_of(events):
        assert step.skipped == "no face was found in any image"
        assert (step.faces_found, step.losses, step.distance) == (0, {}, {})
    assert events[-1].reason == "completed"
    assert all((v == 0).all() for k, v in load_file(events[-1].adapter).items() if "lora_B" in k)


def test_a_full_disk_ends_the_run_and_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    model = tiny_model()
    before = {"text_encoder": weights_of(model.text_encoder)}
    whole = run(tmp_path / "whole")
    events, folder = finetune(model, CONFIG, tmp_path / "full"), tmp_path / "full"
    for event in events:
        if isinstance(event, Saved):
            break
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fairness_core.training.checkpoints.save_file", full)
        with pytest.raises(OSError, match="No space left"):
            list(events)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == kept
    assert_untouched(model, before)
    rest = run(folder, resume=True)
    assert rest[0] == Started(2, 4)
    assert rest[-1].adapter.read_bytes() == whole[-1].adapter.read_bytes()


@pytest.mark.parametrize(("changes", "error", "says"), [
    ({"prompts": ()}, ConfigError, "at least one concept"),
    ({"prompts": ("a nurse", " ")}, PromptError, "prompt is empty"),
    ({"prompts": (" ".join(["nurse"] * 500),)}, PromptError, "500 words.*shorten"),
    ({"marginals": {}}, TargetError, "at least one attribute"),
    ({"marginals": {"gender": {"female": 0.5, "male": 0.4}}}, TargetError, "sum to 90"),
    ({"marginals": {"gender": {"female": 0.5, "none": 0.5}}}, TargetError, "Unknown class 'none'"),
    ({"marginals": {"hair": {"long": 1.0}}}, TargetError, "Unknown attribute 'hair'"),
    ({"joint": [[0.5, 0.5]], "joint_attributes": ("gender",)}, TargetError, "shape"),
])
def test_settings_that_cannot_be_used_are_refused_before_the_first_event(tmp_path, changes, error, says):
    model = tiny_model()
    before = {"text_encoder": weights_of(model.text_encoder)}
    events = finetune(model, replace(CONFIG, **changes), tmp_path / "run")
    with pytest.raises(error, match=says):
        next(events)
    assert not (tmp_path / "run").exists()
    assert_untouched(model, before)


def test_an_attribute_the_classifiers_do_not_perceive_is_refused_before_the_first_event(tmp_path):
    network = BrightnessNetwork(middle=0.0)
    model = tiny_model(replace(tiny_critics(), evaluator=network))
    race = {"race": {"wmelh": 0.25, "asian": 0.25, "black": 0.25, "indian": 0.25}}
    with pytest.raises(ConfigError, match="do not perceive 'race'"):
        next(finetune(model, replace(CONFIG, marginals=race), tmp_path))


def test_a_run_that_could_learn_nothing_is_refused(tmp_path):
    with torch.no_grad(), pytest.raises(ConfigError, match="outside torch.no_grad"):
        next(finetune(tiny_model(), CONFIG, tmp_path))


def test_classes_in_another_order_are_refused(tmp_path):
    """Labels are indices: a classifier that counts the other way round would be trained to the opposite."""
    critics = tiny_critics()
    critics.classifier.heads_config["gender"] = ["male", "female"]
    with pytest.raises(ConfigError, match="'gender'"):
        next(finetune(tiny_model(critics), CONFIG, tmp_path))


def test_a_new_run_forgets_the_checkpoint_of_an_older_one_in_its_folder(tmp_path):
    run(tmp_path)
    assert checkpointed(tmp_path)
    begun = finetune(tiny_model(), CONFIG, tmp_path)
    next(begun)
    begun.close()
    assert not (tmp_path / "checkpoint.safetensors").exists()
