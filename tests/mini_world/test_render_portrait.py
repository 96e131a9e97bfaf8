"""The recipe of the portraits, and one of them rendered again where Blender and MakeHuman's files are at hand."""

import csv
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mini_world.portraits import CLASSES
from mini_world.render.__main__ import EVERYBODY_FROM, record, spec_of, who
from mini_world.render.concepts import draw_planted, load_concepts
from mini_world.render.makehuman import HAIRSTYLES, AssetsError, MakeHuman, Proxy, read_obj

ROOT = Path(__file__).resolve().parents[2]
PORTRAITS = ROOT / "tests" / "portraits"
RENDERED = 42307  # in tests/portraits
CUBE = "v 0 0 0\nv 2 0 0\nv 0 3 0\nvt 0 0\nvt 1 0\nvt 0 1\ng body\nf 1/1 2/2 3/3\ng helper\nf 3/3 2/2 1/1\n"


def of_this_recipe() -> list[dict]:
    """Rows of the tests' portraits that this version of the recipe rendered."""
    rows = list(csv.DictReader((PORTRAITS / "labels.csv").open(encoding="utf-8")))
    return [row for row in rows if int(row["file_name"][:6]) >= 40_000]


def test_a_number_decides_concept_and_person_as_in_the_archive():
    for row in of_this_recipe():
        concept, person, _ = who(int(row["file_name"][:6]))
        assert (concept, person.gender, person.race, person.age) == tuple(
            row[key] for key in ("concept", "gender", "race", "age"))


def test_three_of_four_portraits_follow_the_planted_distribution():
    assert Counter(who(number)[2] for number in range(1024)) == {True: 768, False: 256}


def test_from_a_number_on_every_person_of_every_concept_comes_as_often():
    everybody = Counter(who(number) for number in range(EVERYBODY_FROM, EVERYBODY_FROM + 2 * 44 * 16))
    assert len(everybody) == 44 * 16 and set(everybody.values()) == {2} and not any(biased for *_, biased in everybody)


def test_people_are_drawn_as_their_concept_says():
    rng, judge = np.random.default_rng(0), load_concepts()["judge"]
    people = [draw_planted(rng, judge) for _ in range(2000)]
    assert abs(np.mean([p.gender == "male" for p in people]) - judge.male) < .03
    assert abs(np.mean([p.age == "old" for p in people]) - judge.old) < .03
    shares = [np.mean([p.race == race for p in people]) for race in CLASSES["race"]]
    np.testing.assert_allclose(shares, judge.race, atol=.03)


def test_a_spec_repeats_itself_and_is_described_in_the_metadata():
    first, second = (spec_of(RENDERED, ["nose-width", "l-eye-size", "r-eye-size"]) for _ in range(2))
    np.testing.assert_array_equal(first.background, second.background)
    assert first.lights == second.lights and first.clothes == second.clothes
    assert first.shape["l-eye-size"] == first.shape["r-eye-size"]
    assert first.hair in HAIRSTYLES or first.hair == "none"
    row = record(RENDERED, first)
    assert (row["file_name"], row["concept"]) == ("042307.webp", who(RENDERED)[0])


def test_missing_files_are_named_in_plain_words(tmp_path):
    with pytest.raises(AssetsError, match="short01.mhclo.*Unpack MakeHuman's CC0 assets"):
        MakeHuman(tmp_path)


def test_the_command_says_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "mini_world.render", "--makehuman", tmp_path, "--out", tmp_path / "out"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "Unpack MakeHuman" in done.stderr and "Traceback" not in done.stderr


def test_clothes_follow_the_body_they_hang_on(tmp_path):
    (tmp_path / "hat.obj").write_text(CUBE, encoding="utf-8")
    (tmp_path / "hat.mhclo").write_text(
        "# a hat\nobj_file hat.obj\nx_scale 0 1 2.0\nverts 0\n1\n0 1 2 0.5 0.5 0 1 0 0\n", encoding="utf-8")
    body = read_obj(tmp_path / "hat.obj").vertices
    proxy = Proxy(tmp_path / "hat.mhclo")
    assert set(proxy.mesh.groups) == {"body", "helper"} and proxy.mesh.faces[0] == [(0, 0), (1, 1), (2, 2)]
    np.testing.assert_allclose(proxy.fit(body), [[2, 0, 0], [2, 0, 0]])
    np.testing.assert_allclose(proxy.fit(2 * body), [[4, 0, 0], [4, 0, 0]])  # twice as wide: so is the offset


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("bpy") and find_spec("anny") and os.environ.get("MAKEHUMAN")),
                    reason="needs mini_world/requirements.txt, and MakeHuman's folder in the variable MAKEHUMAN")
def test_a_portrait_of_the_archive_is_rendered_again(tmp_path):
    command = [sys.executable, "-m", "mini_world.render", "--makehuman", os.environ["MAKEHUMAN"], "--out", tmp_path,
               "--first", str(RENDERED), "--count", "1"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    mine, archived = (np.asarray(Image.open(folder / f"{RENDERED:06d}.webp").convert("RGB"), float)
                      for folder in (tmp_path, PORTRAITS))
    assert np.abs(mine - archived).mean() < 2  # of 255: another processor rounds differently
    (row,) = csv.DictReader((tmp_path / "metadata.csv").open(encoding="utf-8"))
    assert row["concept"] == who(RENDERED)[0]
