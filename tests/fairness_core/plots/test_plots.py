from dataclasses import replace

import numpy as np
import pytest

from fairness_core import plots
from fairness_core.events import StepDone
from fairness_core.metrics import wilson_interval
from fairness_core.plots.style import CLEAR, LONGEST_NAME, TEXT, visible
from fairness_core.results import ImageSet, PromptComparison
from fairness_core.settings.attributes import load_attributes

GENDER, RACE = load_attributes()["gender"], load_attributes()["race"]


def image_set(prompt: str, females: int, n: int, faces: int) -> ImageSet:
    """`females` of the `faces` images with a face; the images without one would all be female."""
    labels = np.array([0] * females + [1] * (faces - females) + [0] * (n - faces))
    found = np.arange(n) < faces
    return ImageSet(prompt, tuple(range(n)), np.zeros((n, 2, 2, 3), np.uint8), found, np.zeros((n, 4)),
                    {"gender": np.eye(2)[labels], "race": np.eye(4)[labels]})


def comparison(concept: str, before: int, after: int, held_out: bool = False, n: int = 20, faces: int = 16):
    prompt = f"a photo of the face of a {concept}, a person"
    zeros = np.zeros(n)
    return PromptComparison(prompt, held_out, image_set(prompt, before, n, faces), image_set(prompt, after, n, faces),
                            zeros, zeros, zeros, zeros)


def step(number: int, total: float, skipped: str = "") -> StepDone:
    losses = {} if skipped else {"total": total, "face": float("nan")}
    return StepDone(number, 9, 1.0, "a nurse", losses, {} if skipped else {"gender": total / 10}, 16, 15, skipped)


def trace(figure, name: str):
    [found] = [t for t in figure.data if t.name == name]
    return found


NURSE, CHEF, PILOT = comparison("nurse", 16, 8, held_out=True), comparison("chef", 2, 7), comparison("pilot", 4, 6)


# ---------------------------------------------------------------- training

def test_losses_are_drawn_raw_and_smoothed():
    steps = [step(i, value) for i, value in enumerate([4, 2, 3, 3, 3, 9], 1)]
    dots, line = plots.training_curves(steps, ["total"]).data
    assert list(dots.y) == [4, 2, 3, 3, 3, 9]
    np.testing.assert_allclose(line.y, [4, 3, 3, 3, 3, 4])


def test_skipped_steps_are_marked_and_missing_losses_left_out():
    figure = plots.training_curves([step(1, 4), step(2, 0, "no face"), step(3, 2)])
    assert list(trace(figure, "skipped step").x) == [2] and trace(figure, "skipped step").text == ("no face",)
    assert list(trace(figure, "total").x) == [1, 3]
    assert "face" not in [t.name for t in figure.data]


def test_distances_are_named_as_perceived_and_start_at_zero():
    figure = plots.distance_curves([step(1, 4), step(2, 2)])
    assert list(trace(figure, "Perceived gender").x) == [1, 2]
    assert figure.layout.yaxis.rangemode == "tozero"


def test_nothing_to_draw_says_so():
    for figure in (plots.training_curves([]), plots.distribution_plot([], GENDER, "female"), plots.class_bars([], GENDER)):
        assert "yet" in figure.layout.annotations[0].text


# ---------------------------------------------------------------- distributions

def test_frequencies_leave_images_without_a_face_out():
    figure = plots.distribution_plot([CHEF], GENDER, "female", 0.5)
    before = trace(figure, "before")
    low, high = wilson_interval(2, 16)
    assert before.x[0] == pytest.approx(100 * 2 / 16)
    assert before.x[0] - before.error_x.arrayminus[0] == pytest.approx(100 * low)
    assert before.x[0] + before.error_x.array[0] == pytest.approx(100 * high)
    assert "2 of 16 faces" in before.text[0]
    assert trace(figure, "after").marker.color == GENDER.classes[0].colour


@pytest.mark.parametrize("sort, from_top", [("name", ["chef", "nurse ★", "pilot"]),
                                            ("before", ["chef", "pilot", "nurse ★"]), ("after", ["pilot", "chef", "nurse ★"])])
def test_rows_are_sorted_and_unseen_prompts_marked(sort, from_top):
    figure = plots.distribution_plot([NURSE, CHEF, PILOT], GENDER, "female", 0.5, sort)
    assert list(figure.layout.yaxis.ticktext)[::-1] == from_top
    by_row = dict(zip(np.round(trace(figure, "after").y), trace(figure, "after").x))
    chef_row = list(figure.layout.yaxis.ticktext).index("chef")
    assert by_row[chef_row] == pytest.approx(100 * 7 / 16)


def test_the_target_is_a_line_with_its_value():
    figure = plots.distribution_plot([CHEF], GENDER, "female", 0.25)
    assert figure.layout.shapes[0].x0 == 25 and figure.layout.annotations[0].text == "target 25 %"
    assert not plots.distribution_plot([CHEF], GENDER, "female").layout.shapes


def test_a_prompt_without_a_face_has_a_row_and_no_marker():
    faceless = comparison("ghost", 0, 0, faces=0)
    figure = plots.distribution_plot([faceless, CHEF], GENDER, "female", 0.5)
    assert list(figure.layout.yaxis.ticktext) == ["ghost", "chef"] and len(trace(figure, "before").x) == 1
    assert not plots.class_bars([faceless], GENDER).data


def test_wrong_names_say_what_to_choose():
    with pytest.raises(ValueError, match="female, male"):
        plots.distribution_plot([CHEF], GENDER, "black")
    with pytest.raises(ValueError, match="name, before or after"):
        plots.distribution_plot([CHEF], GENDER, "female", sort="size")


def test_fifty_prompts_grow_the_figure_but_take_no_more_traces():
    """Traces are what a browser is slow at, and what is sent grows with the prompts alone."""
    many = [comparison(f"concept {i}", i % 16, 8) for i in range(50)]
    few, figure = (plots.distribution_plot(some, GENDER, "female", 0.5) for some in (many[:3], many))
    assert len(figure.data) == len(few.data) and len(figure.layout.shapes) == len(few.layout.shapes)
    assert len(figure.to_json()) < len(few.to_json()) * 50 / 3
    assert figure.layout.height > 4 * few.layout.height


def test_class_bars_pool_the_prompts():
    figure = plots.class_bars([NURSE, CHEF], GENDER, np.array([0.4, 0.6]))
    assert list(trace(figure, "before").y) == pytest.approx([100 * 18 / 32, 100 * 14 / 32])
    assert list(trace(figure, "after").y) == pytest.approx([100 * 15 / 32, 100 * 17 / 32])
    assert {y for y in trace(figure, "target").y if y is not None} == {40, 60}
    assert tuple(trace(figure, "after").marker.color) == tuple(c.colour for c in GENDER.classes)


def test_heatmap_shows_three_tables_with_counts():
    table = np.array([[0.5, 0, 0, 0], [0.5, 0, 0, 0]])
    figure = plots.joint_heatmap(np.full((2, 4), 1 / 8), table, table, GENDER, RACE, 16, 16)
    assert [t.z[0][0] for t in figure.data] == [12.5, 50, 50]
    assert "8 of 16 faces" in figure.data[1].text[0][0] and list(figure.data[0].x) == [c.label for c in RACE.classes]
    with pytest.raises(ValueError, match="after table"):
        plots.joint_heatmap(table, table, table.T, GENDER, RACE)


# ---------------------------------------------------------------- names and looks

@pytest.mark.parametrize("prompt, name", [
    ("a photo of the face of an electrician, a person", "electrician"),
    ("a photo of the face of a bus driver, a person", "bus driver"),
    ("a female nurse", "a female nurse"),
    ("a photo of the face of , a person", "a photo of the face of ,…"),
    ("an oil painting of somebody who is thinking", "an oil painting of somebo…")])
def test_prompts_are_shortened_to_their_concept(prompt, name):
    assert plots.concept_name(prompt) == name and len(name) <= LONGEST_NAME


def test_colours_that_vanish_on_a_dark_page_get_a_grey_line():
    black, red = RACE.classes[2].colour, GENDER.classes[0].colour
    assert visible(black) == TEXT and visible(red) == red


def test_backgrounds_are_clear_and_legends_below():
    for figure in (plots.training_curves([step(1, 2)]), plots.distribution_plot([CHEF], GENDER, "female", 0.5),
                   plots.class_bars([CHEF], GENDER)):
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == CLEAR
        assert "sendChartToCloud" in figure.layout.modebar.remove
        assert figure.layout.legend.orientation == "h" and figure.layout.legend.y == 0


def test_markup_in_a_prompt_or_a_label_is_shown_letter_by_letter():
    bold = comparison("<b>nurse</b>", 4, 8)
    figure = plots.distribution_plot([bold], GENDER, "female", 0.5)
    assert list(figure.layout.yaxis.ticktext) == ["&lt;b&gt;nurse&lt;/b&gt;"]
    dots, _ = plots.training_curves([StepDone(1, 9, 1.0, "a <i>nurse</i> & co", {"total": 1.0}, {}, 16, 15)]).data
    assert dots.customdata[0] == "a &lt;i&gt;nurse&lt;/i&gt; &amp; co<br>15 faces in 16 images"
    young = replace(RACE.classes[0], label="<b>30</b>")
    odd = replace(RACE, label="A<br>B", classes=(young, *RACE.classes[1:]))
    for figure in (plots.class_bars([CHEF], odd), plots.outcome_bars([CHEF], odd)):
        assert figure.layout.title.text == "A&lt;br&gt;B, all prompts"
        assert figure.layout.xaxis.ticktext[0] == "&lt;b&gt;30&lt;/b&gt;"
    table = np.full((2, 4), 1 / 8)
    assert plots.joint_heatmap(None, table, table, GENDER, odd).data[0].x[0] == "&lt;b&gt;30&lt;/b&gt;"
