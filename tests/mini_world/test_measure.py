"""The measures on answers that are known, and the whole command on a tiny model."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fakes import FEATURES, FixedDetector, tiny_critics, tiny_model

from fairness_core.evaluation.compare import paint
from fairness_core.models.loading import load_model
from fairness_core.sampling.conditioning import condition
from fairness_core.sampling.denoise import to_uint8
from fairness_core.settings.prompts import load_concepts, prompt_for
from mini_world.directions import directions, read
from mini_world.measure import classifiers
from mini_world.measure.__main__ import measure
from mini_world.measure.bias import planted_errors, planted_shares
from mini_world.measure.card import write_card
from mini_world.measure.distance import distance_and_floor, frechet_distance
from mini_world.measure.judging import SEED, joined, judge, paint_judged
from mini_world.measure.prompts import Outside, concept_accuracy, outside_figures, person_prompt
from mini_world.measure.told import tell_gender
from mini_world.measure.training_logs import read_logs
from mini_world.portraits import CLASSES, Portraits

CONCEPTS = load_concepts().train[:2] + load_concepts().held_out[:2]


class ShortSighted:
    """The tiny tokenizer reads one letter a token and would refuse real prompts: it sees only their last ones."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __call__(self, texts, **options):
        end = lambda text: text.replace(" ", "")[-12:]
        return self.tokenizer(end(texts) if isinstance(texts, str) else [end(text) for text in texts], **options)


@pytest.fixture
def model():
    tiny = tiny_model()
    return replace(tiny, tokenizer=ShortSighted(tiny.tokenizer))


@pytest.fixture
def portraits() -> Portraits:
    """160 small pictures of four concepts, everybody as often."""
    rows = [{"concept": CONCEPTS[i % 4], "biased": i % 8 < 6, "glasses": i % 3 == 0, "smile": (i % 5) / 5,
             "warm": (i % 7) / 3 - 1, "yaw": 0.0,
             **{name: classes[i // 4 % len(classes)] for name, classes in CLASSES.items()}}
            for i in range(160)]
    return Portraits(torch.randint(0, 256, (160, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte(), rows)


def test_a_calibrated_classifier_has_no_calibration_error_and_a_boastful_one_has():
    sure = np.array([[.75, .25]] * 4)
    assert classifiers.expected_calibration_error(sure, np.array([0, 0, 0, 1])) == pytest.approx(0)
    assert classifiers.expected_calibration_error(sure, np.array([1, 1, 1, 1])) == pytest.approx(.75)
    assert classifiers.expected_calibration_error(np.array([[1., 0.]]), np.array([0])) == pytest.approx(0)


def test_a_confusion_table_has_the_truth_in_its_rows():
    head = classifiers.head_figures(np.array([[.9, .1], [.4, .6], [.2, .8]]), np.array([0, 0, 1]))
    assert head["confusion"] == [[1, 1], [0, 1]]
    assert head["right_per_class"] == [.5, 1.0] and head["right"] == pytest.approx(2 / 3, abs=1e-3)


def test_pictures_without_faces_are_of_every_kind_and_all_different(portraits):
    pictures = classifiers.pictures_without_faces(portraits, 6)
    assert list(pictures) == ["noise", "one colour", "background", "clothes"]
    assert all(images.shape == (6, 32, 32, 3) and images.dtype == np.uint8 for images in pictures.values())
    assert np.ptp(pictures["one colour"], axis=(1, 2)).max() == 0
    assert len({images.tobytes() for images in pictures.values()}) == 4


def test_confidence_in_no_face_is_that_of_the_classifier(portraits):
    critics = tiny_critics()
    figures = classifiers.on_no_faces(critics, portraits, 6)
    assert set(figures["noise"]) == {"faces_found", "classifier", "classifier_eval"}
    assert all(1 / len(CLASSES[a]) <= v <= 1 for a, v in figures["clothes"]["classifier"].items())
    other = classifiers.on_no_faces(replace(critics, classifier=critics.evaluator), portraits, 6)
    assert other["noise"]["classifier"] == figures["noise"]["classifier_eval"]


def test_the_frechet_distance_of_known_gaussians():
    rng = np.random.default_rng(0)
    same = rng.normal(size=(4000, 3))
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(same, same + [2, 0, 0]) == pytest.approx(4, abs=1e-6)
    assert frechet_distance(same, 3 * same) == pytest.approx(3 * 4, rel=.1)  # (3 - 1)^2 of each of three axes


def test_features_of_the_same_kind_lie_at_the_floor_and_others_far_above():
    rng = np.random.default_rng(0)
    rendered = rng.normal(size=(300, 4))
    alike, other = distance_and_floor(rng.normal(size=(200, 4)), rendered), distance_and_floor(
        rng.normal(size=(200, 4)) + 1, rendered)
    assert alike["pictures"] == 150 and alike["distance"] < 2 * alike["floor"] + .05 < other["distance"]


def test_planted_shares_are_of_biased_rows_and_errors_have_their_floor(portraits):
    shares = planted_shares(portraits)
    assert set(shares) == set(CONCEPTS)
    assert all(sum(values) == pytest.approx(1) for of in shares.values() for values in of.values())
    perfect = {c: {name: [round(100 * p) for p in values] for name, values in of.items()} for c, of in shares.items()}
    errors = planted_errors(shares, perfect)
    assert all(entry["error"] < .006 < entry["floor"] for entry in errors.values())


def test_judging_goes_in_batches_and_keeps_the_order(portraits):
    critics = tiny_critics(FixedDetector(shows=lambda place: place % 2 == 0))
    judged = judge(critics, portraits.images.permute(0, 2, 3, 1).numpy())
    assert judged.found.sum() == 80 and judged.clip.shape == (160, FEATURES)
    last = judge(critics, portraits.images[-32:].permute(0, 2, 3, 1).numpy())
    np.testing.assert_allclose(judged.features[-32:], last.features, atol=1e-5)
    assert len(judged.labels("race")) == 80


def test_prompts_share_a_batch_and_paint_as_alone(model):
    prompts = {concept: prompt_for(concept) for concept in CONCEPTS}
    together = paint_judged(model, prompts, 5, 3)  # 20 pictures: two batches
    for concept, judged in together.items():
        alone = to_uint8(paint(model, prompts[concept], range(5), SEED, 3, model.entry.guidance_scale))
        assert np.abs(alone.astype(int) - judged.images).max() <= 1
    np.testing.assert_array_equal(joined(list(together.values())).found, True)


def test_prompts_name_people_as_captions_do():
    assert person_prompt("male", "black", "old", "pilot") == "an old Black man working as a pilot"
    assert person_prompt("female", "asian", "young", "artist") == "a young Asian woman working as an artist"


def test_a_prompt_outside_is_asked_for_what_it_names(model):
    judged = paint_judged(model, {"nurse": prompt_for("nurse")}, 4, 2)["nurse"]
    thresholds = {"glasses": {"threshold": -2.0, "right_on_portraits": 1.0},
                  "warm": {"threshold": -2.0, "right_on_portraits": .5}}
    figures = outside_figures(model, Outside("an old nurse", "nurse", (("age", "old"),), ("glasses", "warm")), judged,
                              list(CONCEPTS) + ["nurse"] * ("nurse" not in CONCEPTS), thresholds)
    assert figures["faces"] == {"right": 4, "of": 4}
    assert figures["asked"]["old"]["right"] == int((judged.labels("age") == 1).sum())
    assert figures["asked"]["glasses"]["right"] == 4  # every score is above -2
    assert "warm" not in figures["asked"]             # CLIP cannot tell
    names = list(CONCEPTS) + ["nurse"] * ("nurse" not in CONCEPTS)
    assert figures["asked"]["nurse"]["right"] == 4 * concept_accuracy(model, judged, ["nurse"] * 4, names)


def test_gender_is_told_by_the_embedding_and_nothing_else_is():
    model = load_model("mini")
    prompt = prompt_for("firefighter")
    before = condition(model, prompt, 2.0).conditional.float()
    told = tell_gender(model, prompt, "firefighter", 1.5).conditional
    rows = directions(before.shape[-1])
    was, now = read(before, rows), read(told, rows)
    first = len(model.tokenizer(prompt[:prompt.index("firefighter")].strip()).input_ids) - 1
    female, male = now["gender"][0, first:].unbind(-1)
    torch.testing.assert_close(female - male, torch.full_like(female, 1.5), atol=1e-3, rtol=0)
    torch.testing.assert_close(now["race"], was["race"], atol=1e-3, rtol=0)
    assert torch.equal(told[:, :first], before[:, :first])


def test_training_logs_add_up_continued_runs(tmp_path):
    records = [{"step": 0, "seconds": 1, "loss": 2.0}, {"step": 20, "seconds": 60, "loss": 1.0},
               {"step": 40, "seconds": 30, "loss": .5}]
    (tmp_path / "unet.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    assert read_logs([tmp_path]) == [
        {"folder": tmp_path.name, "part": "unet", "steps": 40, "minutes": 1.5,
         "losses": {"loss": pytest.approx(1.1667, abs=1e-4)}}]
    with pytest.raises(FileNotFoundError, match="training log"):
        read_logs([tmp_path / "nothing"])


@pytest.mark.slow
def test_the_whole_card_is_written(model, portraits, tmp_path):
    figures = measure(model, portraits, 2, tmp_path)
    figures |= {"threads": 2, "images_per_concept": 2, "sampling_steps": 10, "guidance_scale": 2.0,
                "training": [], "load_seconds": 1.0, "seconds_16_images": {"10": 4.0, "20": 9.0}, "megabytes": 38.0,
                "measuring_minutes": 1.0}
    assert json.loads(json.dumps(figures))["images"] == 8
    write_card(figures, tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for concept in CONCEPTS:
        assert f"| {concept}" in card
    linked = {part.split(")")[0] for part in card.split("](sheets/")[1:]}
    painted = {path.name for path in (tmp_path / "sheets").iterdir()}
    assert painted <= linked and {"rendered_and_generated.webp", "people.webp", "steps.webp"} <= painted
    assert "log odds -2" in card and f"**{figures['told']['bias_at_even_odds']}**" in card
    assert "| 16 images at 20 steps, painted and judged | 9.0 s | 8 s | **no** |" in card
