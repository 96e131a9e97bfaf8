"""What is taken of folders, zips and files, and what is left out, by name."""

import io
import os
import stat
import struct
import zipfile
from dataclasses import replace

import pytest
from helpers.fake_pictures import picture, zipped

from fairness_core.pictures.limits import LIMITS, PicturesError, Unusable
from fairness_core.pictures.sources import gather


def png(tmp_path) -> bytes:
    return picture(tmp_path / "one.png").read_bytes()


def why(gathered) -> dict[str, str]:
    return {one.name: one.why for one in gathered.skipped}


def test_a_folder_is_read_in_the_order_of_names_without_what_is_hidden(tmp_path):
    root = tmp_path / "mine"
    for name in ("b/2.png", "b/1.jpg", "a/3.webp", "top.png", ".hidden/x.png", "b/.x.png", "__MACOSX/x.png"):
        picture(root / name)
    (root / "prompts.csv").write_text("file_name,prompt\n", encoding="utf-8")
    (root / "notes.txt").write_text("no picture", encoding="utf-8")
    found = gather([root])
    assert [f.name for f in found.pictures] == ["top.png", "a/3.webp", "b/1.jpg", "b/2.png"]
    assert [f.folder for f in found.pictures] == ["mine", "a", "b", "b"]
    assert [f.name for f in found.lists] == ["prompts.csv"] and set(why(found)) == {"notes.txt"}


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    picture(tmp_path / "secret.png")
    root = tmp_path / "mine"
    picture(root / "own.png")
    os.symlink(tmp_path / "secret.png", root / "link.png")
    found = gather([root])
    assert [f.name for f in found.pictures] == ["own.png"] and "leads out" in why(found)["link.png"]


def test_a_zip_is_read_in_place_and_odd_paths_are_named_and_left_out(tmp_path):
    data = png(tmp_path)
    path = zipped(tmp_path / "a.zip", {"nurse/1.png": data, "../up.png": data, "/abs.png": data, "C:\\x.png": data,
                                       "in/side.zip": b"PK", "__MACOSX/._1.png": data, "x.exe": b""})
    with zipfile.ZipFile(path, "a") as packed:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    before = set(tmp_path.iterdir())
    found = gather([path])
    assert [f.name for f in found.pictures] == ["nurse/1.png"] and found.pictures[0].read() == data
    assert set(why(found)) == {"../up.png", "/abs.png", "C:/x.png", "in/side.zip", "x.exe", "link.png"}
    assert "leads out" in why(found)["../up.png"] and "link" in why(found)["link.png"] and "within another" in why(found)["in/side.zip"]
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("changed", "says"), [({"files": 3}, "more than 3 files"), ({"total_megabytes": 0}, "MB unpacked")])
def test_too_much_is_refused(tmp_path, changed, says):
    data = png(tmp_path)
    path = zipped(tmp_path / "many.zip", {f"{i}.png": data for i in range(5)})
    with pytest.raises(PicturesError, match=says):
        gather([path], replace(LIMITS, **changed))


def test_a_picture_that_unpacks_too_large_or_lies_too_deep_is_left_out(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros.png", bytes(2_000_000))
        packed.writestr("a/" * 9 + "deep.png", png(tmp_path))
        packed.writestr("good.png", png(tmp_path))
    found = gather([path], replace(LIMITS, file_megabytes=1))
    assert [f.name for f in found.pictures] == ["good.png"]
    assert "2 MB large, 1 may be read" in why(found)["zeros.png"] and "folders deep" in why(found)["a/" * 9 + "deep.png"]


def test_a_zip_with_an_endless_list_of_files_is_refused_before_it_is_read(tmp_path):
    path = zipped(tmp_path / "list.zip", {"1.png": png(tmp_path)})
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.rfind(b"PK\x05\x06") + 12, 2**31)
    path.write_bytes(data)
    with pytest.raises(PicturesError, match="too many files"):
        gather([path])


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_zip_is_refused_in_words(tmp_path, content):
    path = tmp_path / "broken.zip"
    path.write_bytes(content)
    with pytest.raises(PicturesError, match="broken.zip is no zip|Pack it again"):
        gather([path])


def test_a_locked_and_a_damaged_entry(tmp_path):
    path = zipped(tmp_path / "a.zip", {"good.png": png(tmp_path), "damaged.png": png(tmp_path)})
    data = bytearray(path.read_bytes())
    place = data.rfind(b"damaged.png", 0, data.find(b"PK\x01\x02")) + len("damaged.png")
    data[place + 30:place + 34] = b"\0\1\2\3"  # its checksum no longer fits
    path.write_bytes(data)
    damaged = next(f for f in gather([path]).pictures if f.name == "damaged.png")
    with pytest.raises(Unusable, match="cannot be unpacked"):
        damaged.read()
    central = data.rfind(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    assert "password" in next(iter(why(gather([path])).values()))


def test_nothing_to_judge_says_so(tmp_path):
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    for paths, says in (([tmp_path], "no picture.*notes.txt"), ([tmp_path / "gone"], "There is no .*gone"), ([], "no picture")):
        with pytest.raises(PicturesError, match=says):
            gather(paths)


def test_one_picture_alone(tmp_path):
    path = picture(tmp_path / "one.PNG")
    [found] = gather([path]).pictures
    assert (found.name, found.folder) == ("one.PNG", "") and io.BytesIO(found.read()).getvalue() == path.read_bytes()
