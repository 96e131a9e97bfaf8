import numpy as np
import pytest
from PIL import Image

from fairness_core.annotate import annotate, annotate_set, contact_sheet, draw_bar, short_labels
from fairness_core.results import ImageSet
from fairness_core.settings.attributes import Attribute, AttributeClass, load_attributes

SHOWN = ("gender", "race", "age")
PROBABILITIES = {"gender": np.array([0.9, 0.1]), "race": np.array([0.0, 0.0, 1.0, 0.0]), "age": np.array([0.5, 0.5])}
PICTURE = np.full((128, 128, 3), 60, np.uint8)
BOX = (40, 30, 90, 100)


def hex_colour(text: str) -> np.ndarray:
    return np.array([int(text[i:i + 2], 16) for i in (1, 3, 5)])


def pixels_of(image: np.ndarray, colour: str) -> int:
    return int((image == hex_colour(colour)).all(-1).sum())


def test_height_is_the_size_and_the_panel_is_to_the_right():
    image = annotate(PICTURE, 3, True, BOX, PROBABILITIES, SHOWN, size=256)
    assert image.dtype == np.uint8 and image.shape[0] == 256
    assert 256 + 100 < image.shape[1] < 2 * 256


def test_box_is_white_with_dark_edges_where_the_face_is():
    image = annotate(np.full((128, 128, 3), 128, np.uint8), 3, True, BOX, PROBABILITIES, SHOWN, size=256)
    row = image[130, :256, 0].astype(int)
    assert row[80] == 255 and row[180] == 255
    assert row[78:84].min() < 100 and row[130] == 128


def test_box_outside_the_picture_is_drawn_at_its_edge():
    image = annotate(PICTURE, 3, True, (-20, -20, 300, 300), PROBABILITIES, (), size=256)
    assert (image[128, -4:] == 255).all(-1).any() and (image[128, :4] == 255).all(-1).any()


def test_bar_height_is_the_confidence():
    panel = Image.new("RGB", (20, 120), "white")
    male = load_attributes()["gender"].classes[1]
    draw_bar(panel, male, 0.25, (5, 10, 15, 110))
    filled = (np.asarray(panel) == hex_colour(male.colour)).all(-1)
    rows = np.flatnonzero(filled.any(1))
    assert (rows.min(), rows.max()) == (85, 109) and filled.sum() == 25 * 10


def test_bars_carry_the_classes_colours_and_only_the_confident_ones():
    classes = {c.name: c.colour for c in load_attributes()["race"].classes}
    image = annotate(PICTURE, 3, True, BOX, PROBABILITIES, ["race"])
    assert pixels_of(image, classes["black"]) > 1000
    assert pixels_of(image, classes["asian"]) == 0


def test_patterns_tell_classes_apart_without_colour():
    panels = []
    for pattern in ("", "/", "x", "."):
        panel = Image.new("RGB", (14, 100), "white")
        draw_bar(panel, AttributeClass("c", "C", "#333333", pattern), 1.0, (0, 0, 14, 100))
        panels.append(np.asarray(panel))
    assert len({p.tobytes() for p in panels}) == 4


def test_without_a_face_there_is_a_caption_and_no_bar():
    nan = {name: np.full_like(p, np.nan) for name, p in PROBABILITIES.items()}
    with_face = annotate(PICTURE, 3, True, BOX, PROBABILITIES, SHOWN)
    without = annotate(PICTURE, 3, False, (0, 0, 0, 0), nan, SHOWN)
    assert without.shape == with_face.shape
    colours = [c.colour for a in load_attributes().values() for c in a.classes]
    assert all(pixels_of(without[:, 256:], colour) == 0 for colour in colours)
    assert without[225:250, :256].max() > 240 and with_face[225:250, :256].max() < 240


def test_the_number_is_drawn():
    one, seven = (annotate(PICTURE, n, True, BOX, PROBABILITIES, SHOWN) for n in (1, 7))
    assert not np.array_equal(one[:60, :60], seven[:60, :60])
    assert np.array_equal(one[60:], seven[60:])


def test_short_labels():
    known = load_attributes()
    assert [short_labels(known[n]) for n in SHOWN] == [("F", "M"), ("W", "A", "B", "I"), ("Y", "O")]
    shared = Attribute("x", "X", (AttributeClass("a", "Beard", "#000000"), AttributeClass("b", "Bald", "#000000")))
    assert short_labels(shared) == ("Be", "Ba")


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="choose among gender"):
        annotate(PICTURE, 1, True, BOX, PROBABILITIES, ["height"])
    with pytest.raises(ValueError, match="uint8"):
        annotate(PICTURE.astype(float), 1, True, BOX, PROBABILITIES, SHOWN)
    with pytest.raises(ValueError, match="classify"):
        annotate(PICTURE, 1, True, BOX, {}, ["race"])


def test_a_set_has_one_shape_with_and_without_faces():
    found = np.array([True, False, True])
    images = ImageSet("p", (4, 5, 6), np.stack([PICTURE] * 3), found, np.tile(np.float32(BOX), (3, 1)),
                      {name: np.stack([p] * 3) for name, p in PROBABILITIES.items()})
    drawn = annotate_set(images, ["gender"])
    assert len(drawn) == 3 and len({d.shape for d in drawn}) == 1
    assert np.array_equal(drawn[0], annotate(PICTURE, 4, True, BOX, PROBABILITIES, ["gender"]))


def test_a_set_is_drawn_as_far_as_it_has_pictures():
    images = ImageSet("p", (4, 5, 6), np.stack([PICTURE] * 2), np.ones(3, bool), np.tile(np.float32(BOX), (3, 1)),
                      {name: np.stack([p] * 3) for name, p in PROBABILITIES.items()})
    assert len(annotate_set(images, ["gender"])) == images.shown == 2


def test_contact_sheet_places_images_row_by_row():
    tiles = [np.full((10, 8, 3), 10 * i, np.uint8) for i in range(5)]
    sheet = contact_sheet(tiles, columns=2, gap=4)
    assert sheet.shape == (3 * 14 - 4, 2 * 12 - 4, 3)
    assert (sheet[14:24, 12:20] == 30).all() and (sheet[28:38, :8] == 40).all()
    with pytest.raises(ValueError):
        contact_sheet([], 2)
    with pytest.raises(ValueError):
        contact_sheet([tiles[0], np.zeros((4, 4, 3), np.uint8)], 2)
