"""Pictures with prompts -> what is perceived in them: prompts from everywhere, faces counted, bad pictures named."""

import csv
import io

import numpy as np
import pytest
from helpers.fake_pictures import BLACK, BLUE, RED, colour_judge, folder_of_pictures, picture, zipped

from fairness_core.pictures.judged import ALL_TOGETHER, NO_PROMPT, Judged, Progress, sentence_of, warning_of
from fairness_core.pictures.judging import KEPT_OF_PROMPT, judge_pictures
from fairness_core.pictures.kept import load_judged, save_judged
from fairness_core.pictures.limits import PicturesError
from fairness_core.runs import RunError, RunFolder


def judged(paths, *how, **more) -> Judged:
    *progress, last = judge_pictures(paths, colour_judge(), *how, **more)
    assert all(isinstance(one, Progress) for one in progress)
    return last


def prompts(found: Judged) -> dict[str, list[str]]:
    return {one.prompt: list(dict.fromkeys(one.files)) for one in found.prompts}


@pytest.fixture
def mixed(tmp_path):
    """A list names one picture, another has its prompt written in it, the rest go by their folders."""
    root = folder_of_pictures(tmp_path / "mine", {"bus_driver": [RED, BLUE], "nurse": [BLUE]})
    picture(root / "nurse" / "written.png", RED, parameters="a chef\nSteps: 20, Sampler: Euler")
    (root / "prompts.csv").write_text("file_name;prompt\nnurse/00.png;a  judge\ngone.png;a ghost\n", encoding="utf-8")
    return root


@pytest.mark.parametrize(("source", "expected"), [
    ("auto", {"bus driver": ["bus_driver/00.png", "bus_driver/01.png"], "a judge": ["nurse/00.png"], "a chef": ["nurse/written.png"]}),
    ("folders", {"bus driver": ["bus_driver/00.png", "bus_driver/01.png"], "nurse": ["nurse/00.png", "nurse/written.png"]}),
    ("written", {NO_PROMPT: ["bus_driver/00.png", "bus_driver/01.png", "nurse/00.png"], "a chef": ["nurse/written.png"]}),
    ("list", {NO_PROMPT: ["bus_driver/00.png", "bus_driver/01.png", "nurse/written.png"], "a judge": ["nurse/00.png"]}),
    ("together", {ALL_TOGETHER: ["bus_driver/00.png", "bus_driver/01.png", "nurse/00.png", "nurse/written.png"]})])
def test_where_the_prompts_come_from(mixed, source, expected):
    found = judged([mixed], "largest", source)
    assert prompts(found) == expected and found.pictures == 4
    assert sum(found.prompts_from.values()) == 4


@pytest.mark.parametrize(("name", "text"), [
    ("metadata.jsonl", '{"file_name": "a/1.png", "text": "a nurse"}\n{"file_name": "a/2.png", "text": "a nurse"}\n'),
    ("list.json", '{"1.png": "a nurse", "a/2.png": {"prompt": "a nurse"}}'),
    ("list.json", '[{"File": "./1.png", "Prompt": "a nurse"}, {"file": "a\\\\2.png", "prompt": "a nurse"}, 5]'),
    ("list.csv", "filename\tcaption\n1.png\ta nurse\n2.png\ta nurse\n"),
    ("list.csv", '\ufefffile_name,prompt\r\n1.png,"a nurse"\r\n2.png,"a\n nurse"\r\n')])
def test_lists_of_prompts_in_every_form(tmp_path, name, text):
    for number in "12":
        picture(tmp_path / "mine" / "a" / f"{number}.png")
    (tmp_path / "mine" / name).write_text(text, encoding="utf-8")
    assert prompts(judged([tmp_path / "mine"])) == {"a nurse": ["a/1.png", "a/2.png"]}


@pytest.mark.parametrize(("content", "why"), [
    (b"\xff\xfe", "not text in UTF-8"), (b"{", "cannot be read as json"), (b"[1, 2]", "tells no prompts"),
    (b'{"nodes": []}', "tells no prompts|file_name"), (b"[" * 100_000, "cannot be read as json")])
def test_a_list_that_is_none_is_named(tmp_path, content, why):
    picture(tmp_path / "mine" / "1.png")
    (tmp_path / "mine" / "odd.json").write_bytes(content)
    found = judged([tmp_path / "mine"])
    assert found.pictures == 1 and (not found.skipped or found.skipped[0].name == "odd.json")
    with pytest.raises(PicturesError, match="No list tells the prompts.*file_name"):
        judged([tmp_path / "mine"], "largest", "list")


def test_a_name_that_could_be_two_pictures_is_asked_about(tmp_path):
    for folder in "ab":
        picture(tmp_path / "mine" / folder / "1.png")
    (tmp_path / "mine" / "list.csv").write_text("file_name,prompt\n1.png,a nurse\n", encoding="utf-8")
    with pytest.raises(PicturesError, match="2 pictures are called so: write the folder"):
        judged([tmp_path / "mine"])


def test_faces_are_classified_boxed_and_counted(tmp_path):
    root = tmp_path / "mine" / "people"
    picture(root / "0-one.png", RED, (32, 32))
    picture(root / "1-two.png", BLUE, (64, 32))
    picture(root / "2-none.png", BLACK, (32, 32))
    largest, everyone = judged([tmp_path / "mine"]), judged([tmp_path / "mine"], "all")
    [one] = largest.prompts
    assert one.images.found.tolist() == [True, True, False] and one.images.labels("gender").tolist() == [0, 1]
    assert (one.pictures, one.several, largest.without_face, largest.faces_found) == (3, 1, 1, 2)
    [one] = everyone.prompts
    assert one.files == ("people/0-one.png", "people/1-two.png", "people/1-two.png", "people/2-none.png")
    assert one.images.labels("gender").tolist() == [0, 1, 1] and (one.pictures, everyone.faces_found) == (3, 3)
    left, top, right, bottom = one.images.boxes[0]
    assert (one.images.images.shape[0], one.images.shown) == (4, 4) and 0 < left < right < 256 and 0 < top < bottom < 256
    assert "3 pictures, 3 faces counted (every face of each picture), 1 pictures without a face, 1 with several" in sentence_of(everyone)


def test_bad_pictures_are_named_and_the_others_judged(tmp_path):
    good = picture(tmp_path / "good.png").read_bytes()
    path = zipped(tmp_path / "a.zip", {"x/good.png": good, "x/cut.png": good[:40], "x/text.jpg": b"not a picture"})
    found = judged([path])
    assert found.pictures == 1 and {s.name for s in found.skipped} == {"x/cut.png", "x/text.jpg"}
    assert all("no picture that can be read" in s.why for s in found.skipped)
    with pytest.raises(PicturesError, match="None of the pictures could be judged. x/cut.png: no picture"):
        judged([zipped(tmp_path / "b.zip", {"x/cut.png": good[:40]})])


def test_the_built_in_judge_warns_and_loudly_of_other_peoples_pictures(tmp_path):
    picture(tmp_path / "a" / "1.png", size=(128, 128))
    assert warning_of(judged([tmp_path / "a"])).startswith("The built-in classifier learned from rendered, synthetic faces")
    picture(tmp_path / "a" / "2.png", size=(512, 512))
    assert "1 of these 2 pictures were not painted by the built-in model" in warning_of(judged([tmp_path / "a"]))


def test_progress_and_a_stop_that_keeps_what_was_judged(tmp_path):
    root = folder_of_pictures(tmp_path / "mine", {"nurse": [RED] * 50})
    told = []
    for one in judge_pictures([root], colour_judge(), should_stop=lambda: len(told) >= 3):
        told.append(one)
    assert [t.done for t in told[:-1]] == [0, 16, 32] and told[-1].pictures == 32 and (told[-1].asked, told[-1].left) == (50, 18)


def test_pictures_of_many_sizes_keep_their_order(tmp_path):
    for i in range(40):
        picture(tmp_path / "mine" / "nurse" / f"{i:02d}.png", RED if i % 3 else BLUE, (32 + i % 7, 32))
    [one] = judged([tmp_path / "mine"]).prompts
    assert one.files == tuple(f"nurse/{i:02d}.png" for i in range(40))
    assert one.images.labels("gender").tolist() == [0 if i % 3 else 1 for i in range(40)]
    assert one.images.shown == KEPT_OF_PROMPT


def test_too_many_prompts_and_unknown_choices_are_refused(tmp_path):
    root = folder_of_pictures(tmp_path / "mine", {f"role {i}": [RED] for i in range(201)})
    with pytest.raises(PicturesError, match="more than 200 different prompts.*names of folders"):
        judged([root])
    for how in (("some",), ("all", "guess")):
        with pytest.raises(PicturesError, match="Choose faces among largest, all"):
            judged([root], *how)


def test_what_was_judged_is_kept_and_read_again(mixed, tmp_path):
    found, folder = judged([mixed]), RunFolder(tmp_path / "run")
    assert load_judged(folder) is None
    save_judged(folder, found)
    again = load_judged(folder)
    assert prompts(again) == prompts(found) and again.prompts_from == found.prompts_from and again.judge == found.judge
    for one, other in zip(found.prompts, again.prompts):
        np.testing.assert_array_equal(one.images.probabilities["gender"], other.images.probabilities["gender"])
        np.testing.assert_array_equal(one.clip_text, other.clip_text)
        assert one.images.images.shape == other.images.images.shape
    (folder.path / "judged.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match="damaged.*judge the pictures again"):
        load_judged(folder)


def test_every_picture_is_a_line_of_csv_and_no_name_is_a_formula(tmp_path):
    from fairness_core.report.judged import pictures_csv
    picture(tmp_path / "mine" / "=1+1" / "@x.png", BLUE)
    picture(tmp_path / "mine" / "=1+1" / "y.png", BLACK)
    rows = list(csv.DictReader(io.StringIO(pictures_csv(judged([tmp_path / "mine"])))))
    assert [row["file"] for row in rows] == ["'=1+1/@x.png", "'=1+1/y.png"] and rows[0]["prompt"] == "'=1+1"
    assert (rows[0]["gender"], rows[0]["gender_probability"], rows[0]["face"]) == ("male", "0.950", "yes")
    assert (rows[1]["gender"], rows[1]["face"]) == ("", "no")
