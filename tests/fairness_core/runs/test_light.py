"""Light runs: figures of all images, pictures of the first ones, and few bytes."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers.runs import comparison, image_set

from fairness_core.adapters.files import halve_precision
from fairness_core.events import FilmStrip
from fairness_core.metrics import summarise
from fairness_core.results import SIMILARITIES, PromptComparison, joined
from fairness_core.runs import RunFolder, append_event, load_comparisons, read_events, save_comparisons
from fairness_core.runs.corrections import Correction, CorrectionError, corrected
from fairness_core.runs.light import LIGHT_WEBP_QUALITY, rounded
from fairness_core.settings.attributes import ASSETS

RECORDED = RunFolder(ASSETS / "recorded" / "mini-short")
PROMPTS, PICTURES, MOST_BYTES = 18, 24, 3e6


def saved_light(folder: RunFolder, whole: PromptComparison, pictures: int) -> PromptComparison:
    save_comparisons(folder, [whole], pictures=pictures)
    [light] = load_comparisons(folder)
    return light


def test_figures_are_of_all_images_and_pictures_of_the_first(folder):
    whole = comparison(60)
    light = saved_light(folder, whole, 24)
    for before, after in ((whole.original, light.original), (whole.tuned, light.tuned)):
        assert after.numbers == before.numbers and (before.shown, after.shown) == (60, 24)
        assert np.abs(before.images[:24].astype(int) - after.images).mean() < 6
        assert np.array_equal(before.found, after.found) and np.abs(before.boxes - after.boxes).max() < .0501
        for name, values in before.probabilities.items():
            assert after.probabilities[name].dtype == values.dtype
            assert np.abs(after.probabilities[name] - values).max() < .00005001
            a, b = summarise([before], name), summarise([after], name)
            assert np.array_equal(a.counts, b.counts) and a.bias == b.bias
    for name in SIMILARITIES:
        assert np.abs(getattr(whole, name) - getattr(light, name)).max() < .00005001


def test_a_light_run_saved_again_stays_the_same(folder):
    light = saved_light(folder, comparison(6), 4)
    text = folder.comparisons.read_text(encoding="utf-8")
    again = saved_light(folder, light, 4)
    assert again.original.shown == 4 and len(list(folder.images.iterdir())) == 2
    digits = text.index('"boxes"'), text.index('"probabilities"')
    assert text[slice(*digits)] == folder.comparisons.read_text(encoding="utf-8")[slice(*digits)]


def test_more_pictures_than_there_are_is_all_of_them(folder):
    assert saved_light(folder, comparison(3), 24).tuned.shown == 3


def test_rounding_changes_nobody_s_class():
    close = np.array([[.50004, .49996], [.49996, .50004], [.12344, .87656]], np.float32)
    assert rounded(close).argmax(-1).tolist() == close.argmax(-1).tolist() == [0, 1, 1]
    assert rounded(close)[2].tolist() == np.float32([.1234, .8766]).tolist() and rounded(close).dtype == np.float32


def test_values_are_written_in_as_few_digits_as_they_have(folder):
    save_comparisons(folder, [comparison(60)])
    whole = folder.comparisons.stat().st_size
    save_comparisons(folder, [comparison(60)], pictures=24)
    text = folder.comparisons.read_text(encoding="utf-8")
    assert len(text) < .8 * whole and ", " not in text.replace("a nurse, a person", "")


def test_more_images_get_no_pictures_behind_those_that_lack_them(folder):
    earlier = saved_light(folder, comparison(6), 4)
    later = replace(comparison(2, 7), tuned=replace(image_set(2, 8), numbers=(9, 10)))
    whole = joined(earlier, later)
    assert whole.tuned.numbers[-2:] == (9, 10) and len(whole.tuned.found) == 8
    assert np.array_equal(whole.tuned.images, earlier.tuned.images)
    save_comparisons(folder, [whole])
    assert load_comparisons(folder)[0].tuned.shown == 4


def test_what_cannot_be_seen_cannot_be_corrected(folder):
    whole = replace(comparison(6), tuned=replace(image_set(6, 1), found=np.ones(6, bool)))
    light = saved_light(folder, whole, 4)
    number = light.tuned.numbers[4]
    assert corrected([whole], [Correction("a nurse", "tuned", number)])[0].tuned.found.sum() == 5
    with pytest.raises(CorrectionError, match=f"no picture no. {number}"):
        corrected([light], [Correction("a nurse", "tuned", number)])


def test_film_strips_take_fewer_bytes_when_asked_to(folder):
    strip = FilmStrip(5, "a nurse", load_comparisons(RECORDED)[0].original.images[:8])
    append_event(folder, strip)
    whole = (folder.film / "000005.webp").stat().st_size
    append_event(folder, replace(strip, step=10), film_quality=LIGHT_WEBP_QUALITY)
    assert (folder.film / "000010.webp").stat().st_size < .8 * whole
    assert np.abs(read_events(folder)[1].images.astype(int) - strip.images).mean() < 3


def test_a_recorded_run_of_eighteen_prompts_has_at_most_three_megabytes(folder):
    """As many times what one of them takes, with pictures that the built-in model painted."""
    pictures = np.concatenate([c.original.images[:4] for c in load_comparisons(RECORDED)[:15]])
    whole = comparison(60)
    probabilities = whole.original.probabilities | {"age": whole.original.probabilities["gender"]}
    whole = replace(whole, original=replace(whole.original, images=pictures, probabilities=probabilities),
                    tuned=replace(whole.tuned, images=pictures[::-1], probabilities=probabilities))
    save_comparisons(folder, [whole], pictures=PICTURES)
    per_prompt = folder.comparisons.stat().st_size + sum(path.stat().st_size for path in folder.images.iterdir())
    folder.adapter.parent.mkdir()
    shutil.copy(RECORDED.adapter, folder.adapter)
    halve_precision(folder.adapter)
    film = sum(path.stat().st_size for path in RECORDED.film.iterdir())
    assert PROMPTS * per_prompt + folder.adapter.stat().st_size + film < MOST_BYTES


def test_runs_as_they_were_saved_before_still_load():
    loaded = load_comparisons(RECORDED)
    assert loaded and all(0 < c.tuned.shown <= len(c.tuned.numbers) for c in loaded)
