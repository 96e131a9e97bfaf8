"""What finetune() refuses, what it skips, and that the model is left as it was."""

from dataclasses import replace

import pytest
import torch
from helpers.fakes import BrightnessNetwork, no_faces, tiny_critics, tiny_model
from helpers.finetunes import CONFIG, assert_untouched, checkpointed, run, steps_of, weights_of
from safetensors.torch import load_file

from fairness_core.events import Saved, StepDone
from fairness_core.sampling.denoise import PromptError
from fairness_core.sampling.finite import NotFiniteError
from fairness_core.settings.config import ConfigError
from fairness_core.settings.ratios import TargetError
from fairness_core.training import film
from fairness_core.training import step as training
from fairness_core.training.finetune import finetune


def test_a_kept_prompt_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(PromptError, match="shorten"):
        next(finetune(tiny_model(), replace(CONFIG, kept_prompts=("a man " * 40,)), tmp_path))


def test_an_unusable_target_of_one_prompt_is_refused_before_the_first_event(tmp_path):
    config = replace(CONFIG, targets_by_prompt={"a poet": {"gender": {"female": 0.9}}})
    with pytest.raises(TargetError, match="'a poet'"):
        next(finetune(tiny_model(), config, tmp_path))


def test_prompts_must_leave_room_for_the_tokens(tmp_path):
    config = replace(CONFIG, prompts=("x" * 18,))
    assert next(finetune(tiny_model(), config, tmp_path))
    with pytest.raises(PromptError, match="reads 17 beside the 5 soft tokens"):
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


@pytest.mark.parametrize(("changes", "error", "says"), [
    ({"prompts": ()}, ConfigError, "at least one concept"),
    ({"prompts": ("a nurse", " ")}, PromptError, "prompt is empty"),
    ({"prompts": (" ".join(["nurse"] * 500),)}, PromptError, "tokens too long.*shorten"),
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


def test_a_film_strip_that_is_not_finite_is_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(film, "decode_in_parts", lambda vae, latents: torch.full((len(latents), 3, 16, 16), float("nan")))
    with pytest.raises(NotFiniteError, match="12 of the film strip's 12 pictures are not finite.*Lower learning_rate"):
        run(tmp_path)
