"""compare(): the same noises before and after, by the classifier that only measures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fakes import FixedDetector, no_faces, tiny_critics

from fairness_core.adapters.attach import AdapterError, attach_adapter, detach_adapter, save_adapter
from fairness_core.evaluation.compare import compare, paint, perceive
from fairness_core.models.loading import Model
from fairness_core.results import PromptComparison
from fairness_core.sampling.denoise import PromptError
from fairness_core.sampling.finite import NotFiniteError

SETTINGS = dict(sampling_steps=3, guidance_scale=3.0)
NUMBERS = (0, 1, 5)


def make_adapter(model: Model, folder, kind: str = "text_encoder"):
    """The file of an adapter that changes the pictures; the model has none."""
    parameters = attach_adapter(model, kind, rank=2, alpha=2, targets=("attention", "mlp"), soft_tokens=3, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    path = save_adapter(model, folder)
    detach_adapter(model)
    return path


@pytest.fixture
def adapter(model, tmp_path):
    return make_adapter(model, tmp_path)


def one(model: Model, adapter, strength: float = 1.0, numbers=NUMBERS, prompt: str = "a nurse",
        **options) -> PromptComparison:
    (comparison,) = compare(model, [prompt], numbers, 0, adapter, strength, **SETTINGS, **options)
    return comparison


def test_a_comparison_holds_everything_about_both_sides(model, adapter):
    comparison = one(model, adapter)
    assert comparison.prompt == "a nurse"
    for side in (comparison.original, comparison.tuned):
        assert side.images.shape == (3, 16, 16, 3) and side.images.dtype == np.uint8
        assert side.numbers == NUMBERS and side.found.tolist() == [True] * 3 and side.boxes.shape == (3, 4)
        assert set(side.probabilities) == {"gender", "race", "age"}
        assert all(np.allclose(p.sum(-1), 1, atol=1e-5) for p in side.probabilities.values())
    for values in (comparison.clip_text_original, comparison.clip_text_tuned, comparison.clip_image, comparison.dino):
        assert values.shape == (3,) and (np.abs(values) <= 1 + 1e-5).all()
    assert not np.array_equal(comparison.original.images, comparison.tuned.images)


def test_pictures_that_hold_nan_are_told_and_not_shown_black(model, adapter):
    """The third picture's noise alone breaks the decoder: the message counts it, and what to do is said."""
    decode, done = model.vae.decode, []

    def breaking(latents):
        painted = decode(latents)
        done.append(len(latents))
        painted.sample[-1, :, 0, 0] = float("nan")
        return painted

    model.vae.decode = breaking
    with pytest.raises(NotFiniteError, match="1 of “a nurse”'s 3 pictures are not finite.*lower strength"):
        one(model, adapter)
    assert done == [3]


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_without_adapter_both_sides_are_the_original(model, strength):
    comparison = one(model, None, strength)
    assert np.array_equal(comparison.original.images, comparison.tuned.images)


def test_strength_0_is_the_original_bit_for_bit(model, adapter):
    comparison, plain = one(model, adapter, strength=0.0), one(model, None)
    assert np.array_equal(comparison.original.images, comparison.tuned.images)
    assert np.array_equal(comparison.original.images, plain.original.images)
    assert comparison.clip_image == pytest.approx(np.ones(3), abs=1e-5)
    assert comparison.dino == pytest.approx(np.ones(3), abs=1e-5)


def test_more_strength_moves_further_from_the_original(model, adapter):
    def moved(strength: float) -> float:
        comparison = one(model, adapter, strength)
        return np.abs(comparison.tuned.images.astype(float) - comparison.original.images).mean()

    assert 0 == moved(0.0) < moved(0.3) < moved(1.0)


def test_a_number_is_the_same_picture_in_any_list(model, adapter):
    """The noise is a function of seed, prompt and number; another batch may only round differently."""
    few, many = one(model, adapter, numbers=[5]), one(model, adapter, numbers=range(25))
    for side in ("original", "tuned"):
        alone, together = getattr(few, side).images[0].astype(int), getattr(many, side).images[5].astype(int)
        assert np.abs(alone - together).max() <= 1
        others = np.abs(getattr(many, side).images.astype(int) - alone).max((1, 2, 3))
        assert (np.delete(others, 5) > 5).all()
    assert len(many.original.images) == 25 and many.original.numbers == tuple(range(25))


def test_the_seed_and_the_prompt_change_the_noise(model):
    def images(prompt: str, seed: int) -> torch.Tensor:
        return paint(model, prompt, [0], seed, 3, 3.0)

    assert torch.equal(images("a nurse", 0), images("a nurse", 0))
    assert (images("a nurse", 0) - images("a nurse", 1)).abs().max() > 0.1
    assert (images("a nurse", 0) - images("a chef", 0)).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["unet", "both", "tokens"])
def test_every_kind_of_adapter_is_compared_with_the_same_original(model, tmp_path, kind):
    plain, path = one(model, None), make_adapter(model, tmp_path, kind)
    before = list(model.text_encoder.state_dict()) + list(model.unet.state_dict())
    full, half = one(model, path), one(model, path, strength=0.5)
    for comparison in (full, half, one(model, path, strength=0.0)):
        assert np.array_equal(comparison.original.images, plain.original.images)
    assert np.array_equal(comparison.tuned.images, plain.original.images)
    assert len({c.tuned.images.tobytes() for c in (plain, half, full)}) == 3
    assert list(model.text_encoder.state_dict()) + list(model.unet.state_dict()) == before


def test_a_prompt_too_long_for_the_tokens_is_refused_before_anything_is_painted(model, tmp_path):
    path, long = make_adapter(model, tmp_path, "tokens"), "x" * 20
    assert one(model, None, numbers=[0], prompt=long)
    with pytest.raises(PromptError, match="beside the 3 soft tokens"):
        next(compare(model, ["a nurse", long], NUMBERS, 0, path, **SETTINGS))
    assert not hasattr(model.text_encoder, "soft_tokens")


def test_one_comparison_a_prompt_until_told_to_stop(model, adapter):
    prompts, asked = ["a nurse", "a chef", "a judge"], iter([False, False, True])
    done = list(compare(model, prompts, NUMBERS, 0, adapter, should_stop=lambda: next(asked), **SETTINGS))
    assert [c.prompt for c in done] == prompts[:2]


@pytest.mark.parametrize("ending", ["completed", "stopped", "abandoned"])
def test_the_model_is_left_without_adapter(model, adapter, ending):
    before = {name: value.clone() for name, value in model.text_encoder.state_dict().items()}
    stops = iter([False, ending == "stopped"])
    comparisons = compare(model, ["a nurse", "a chef"], NUMBERS, 0, adapter, should_stop=lambda: next(stops), **SETTINGS)
    next(comparisons)
    comparisons.close() if ending == "abandoned" else list(comparisons)
    after = model.text_encoder.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize(("prompt", "finetuned_on", "held_out"), [
    ("a nurse", None, True),  # held out by the concepts file
    ("a chef", None, False),
    ("a nurse", ["the face of a nurse"], False),
    ("a chef", ["the face of a nurse"], True)])
def test_held_out_goes_by_the_runs_own_prompts(model, prompt, finetuned_on, held_out):
    assert one(model, None, numbers=[0], prompt=prompt, finetuned_on=finetuned_on).held_out is held_out


def test_nothing_is_painted_before_everything_was_checked(model, adapter, tmp_path):
    with pytest.raises(PromptError):
        next(compare(model, ["a nurse", " ".join(["nurse"] * 500)], NUMBERS, 0, adapter, **SETTINGS))
    with pytest.raises(AdapterError, match="no adapter file"):
        next(compare(model, ["a nurse"], NUMBERS, 0, tmp_path / "absent.safetensors", **SETTINGS))
    with pytest.raises(ValueError, match="at least one image"):
        next(compare(model, ["a nurse"], [], 0, adapter, **SETTINGS))


def test_the_evaluation_classifier_measures_not_the_one_trained_against(model):
    images = paint(model, "a nurse", NUMBERS, 0, 3, 3.0)
    other = replace(model.critics, classifier=model.critics.evaluator, evaluator=model.critics.classifier)
    same = replace(model.critics, classifier=model.critics.evaluator)
    seen, swapped, unchanged = (perceive(c, "a nurse", NUMBERS, images).probabilities["race"]
                                for c in (model.critics, other, same))
    assert np.array_equal(seen, unchanged)
    assert not np.allclose(seen, swapped)


def test_what_is_perceived_is_what_is_shown(model):
    """Perception sees the rounded pixels, so an image saved and read again is perceived alike."""
    images = paint(model, "a nurse", NUMBERS, 0, 3, 3.0)
    seen = perceive(model.critics, "a nurse", NUMBERS, images)
    reread = torch.from_numpy(seen.images).permute(0, 3, 1, 2).float() / 127.5 - 1
    again = perceive(model.critics, "a nurse", NUMBERS, reread)
    assert np.array_equal(seen.images, again.images)
    assert all(np.array_equal(seen.probabilities[name], again.probabilities[name]) for name in seen.probabilities)


def test_images_without_face_are_marked():
    critics = tiny_critics(FixedDetector(shows=lambda place: place != 1))
    seen = perceive(critics, "a nurse", NUMBERS, torch.zeros(3, 3, 16, 16))
    assert seen.found.tolist() == [True, False, True] and len(seen.labels("gender")) == 2
    none = perceive(tiny_critics(no_faces()), "a nurse", NUMBERS, torch.zeros(3, 3, 16, 16))
    assert not none.found.any() and len(none.labels("race")) == 0
