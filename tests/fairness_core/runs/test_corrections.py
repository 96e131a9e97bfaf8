"""What people correct: applied to a copy, kept in a file."""

import numpy as np
import pytest

from fairness_core.metrics import summarise
from fairness_core.results import ImageSet, PromptComparison, joined
from fairness_core.runs.corrections import (Correction, CorrectionError, corrected, load_corrections, save_corrections,
                                            with_correction)

WRONG = Correction("nurse", "tuned", 5, "gender", "male")
NO_FACE = Correction("nurse", "tuned", 6)


def comparison(prompt: str = "nurse", first: int = 4, n: int = 4) -> PromptComparison:
    """Only women; no face in the first picture."""
    images = ImageSet(prompt, tuple(range(first, first + n)), np.full((n, 2, 2, 3), first, np.uint8),
                      np.arange(n) > 0, np.zeros((n, 4)), {"gender": np.tile([.9, .1], (n, 1))})
    return PromptComparison(prompt, False, images, images, *np.full((4, n), float(first)))


def test_a_correction_changes_the_figures_of_its_side_alone():
    before = comparison()
    [after] = corrected([before], [WRONG, NO_FACE])
    assert summarise([after.tuned], "gender").prompts[0].counts.tolist() == [1, 1]
    assert summarise([after.original], "gender").prompts[0].counts.tolist() == [3, 0]
    assert summarise([before.tuned], "gender").prompts[0].counts.tolist() == [3, 0]


def test_a_later_correction_of_the_same_face_counts():
    back = Correction("nurse", "tuned", 5, "gender", "female")
    assert with_correction(with_correction([WRONG], NO_FACE), back) == (NO_FACE, back)


@pytest.mark.parametrize(("wrong", "words"), [
    (Correction("judge", "tuned", 5), "not among"), (Correction("nurse", "sideways", 5), "not among"),
    (Correction("nurse", "tuned", 99), "no picture no. 99"), (Correction("nurse", "tuned", 4, "gender", "male"), "No face"),
    (Correction("nurse", "tuned", 5, "gender", "tall"), "not a class"),
    (Correction("nurse", "tuned", 5, "shoe", "red"), "not a class")])
def test_what_is_not_there_cannot_be_corrected(wrong, words):
    with pytest.raises(CorrectionError, match=words):
        corrected([comparison()], [wrong])


def test_corrections_are_kept(tmp_path):
    path = tmp_path / "corrections.json"
    assert load_corrections(path) == ()
    save_corrections(path, [WRONG, NO_FACE])
    assert load_corrections(path) == (WRONG, NO_FACE)
    path.write_text("[{}]", encoding="utf-8")
    with pytest.raises(CorrectionError, match="damaged"):
        load_corrections(path)


def test_more_images_continue_the_numbers():
    whole = joined(comparison(first=0), comparison(first=4, n=3))
    assert whole.original.numbers == tuple(range(7)) and whole.clip_image.tolist() == [0] * 4 + [4] * 3
    assert whole.tuned.images[:, 0, 0, 0].tolist() == [0] * 4 + [4] * 3 and len(whole.tuned.probabilities["gender"]) == 7
    with pytest.raises(ValueError, match="cannot continue"):
        joined(comparison(), comparison("judge"))
