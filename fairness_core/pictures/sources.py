"""Folders, zips and single files -> the pictures in them and the lists that tell their prompts. Nothing is unpacked to disk."""

import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from fairness_core.pictures.limits import LIMITS, MEGA, PictureLimits, PicturesError, Skipped, Unusable

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
LISTS = (".csv", ".json", ".jsonl")
ZIP, UNSEEN = ".zip", ("__MACOSX", "Thumbs.db", "desktop.ini")
END, END_SIZE, LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535  # of a zip, where its list of files is told of


@dataclass(frozen=True)
class Found:
    """A file that may be read. name: as people know it, folders before it with "/"; folder: that it lies in, or "".

    read: its bytes. Raises Unusable for a file that is too large, locked or damaged, OSError for one that is gone.
    """

    name: str
    folder: str
    size: int
    read: Callable[[], bytes]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix.lower()


@dataclass(frozen=True)
class Gathered:
    """What was handed over, in the order of names. lists: files that may tell prompts."""

    pictures: tuple[Found, ...]
    lists: tuple[Found, ...]
    skipped: tuple[Skipped, ...]


def gather(paths: Sequence[Path], limits: PictureLimits = LIMITS) -> Gathered:
    """The pictures of folders, zips and files, none of them read yet.

    Raises PicturesError for a path that is not there, a zip that is none, no picture at all, or more than the limits allow.
    """
    found: list[Found] = []
    skipped: list[Skipped] = []
    for path in paths:
        for each in files_of(path, limits):
            (skipped if isinstance(each, Skipped) else found).append(each)
            if len(found) + len(skipped) > limits.files:
                raise PicturesError(f"There are more than {limits.files} files: hand over fewer pictures at a time.")
    check_total(found, limits)
    pictures = tuple(f for f in found if f.suffix in PICTURES)
    if not pictures:
        why = f" {skipped[0].name}: {skipped[0].why}." if skipped else ""
        raise PicturesError(f"There is no picture in what was handed over ({', '.join(PICTURES)}).{why}")
    return Gathered(pictures, tuple(f for f in found if f.suffix in LISTS), tuple(skipped))


def check_total(found: Sequence[Found], limits: PictureLimits) -> None:
    if (total := sum(f.size for f in found)) > limits.total_megabytes * MEGA:
        raise PicturesError(f"The pictures take {total / MEGA:.0f} MB unpacked, {limits.total_megabytes} may be read: hand "
                            "over fewer at a time.")


def files_of(path: Path, limits: PictureLimits) -> Iterator[Found | Skipped]:
    """A folder's files, a zip's, or the file itself."""
    if path.is_dir():
        yield from files_of_folder(path, limits)
    elif not path.is_file():
        raise PicturesError(f"There is no {path}: check the path.")
    elif path.suffix.lower() == ZIP:
        yield from files_of_zip(path, limits)
    else:
        yield usable(path.name, "", path.stat().st_size, path.read_bytes, limits)


def files_of_folder(root: Path, limits: PictureLimits) -> Iterator[Found | Skipped]:
    """In the order of names, without what is hidden. Links that lead out of the folder are left out, by name."""
    inside = root.resolve()
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if is_seen(name))
        for name in sorted(filter(is_seen, names)):
            path = Path(place) / name
            shown = path.relative_to(root).as_posix()
            if not path.resolve().is_relative_to(inside):
                yield Skipped(shown, "a link that leads out of the folder")
            elif not path.is_file():
                yield Skipped(shown, "no file that can be read")
            else:
                parent = PurePosixPath(shown).parent
                folder = parent.name or root.resolve().name
                yield usable(shown, folder, path.stat().st_size, path.read_bytes, limits)


def files_of_zip(path: Path, limits: PictureLimits) -> Iterator[Found | Skipped]:
    """In the order of names. Raises PicturesError for a file that is no zip, or one whose list of files is too long."""
    check_directory(path, limits)
    try:
        packed = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise PicturesError(f"{path.name} is no zip that can be read ({error}): pack it again.") from None
    for info in sorted(packed.infolist(), key=lambda info: info.filename):
        name = info.filename.replace("\\", "/")
        if info.is_dir() or not all(is_seen(part) for part in name.split("/")):
            continue
        shown = name[:200]
        if why := not_inside(name, info):
            yield Skipped(shown, why)
        else:
            yield usable(shown, PurePosixPath(name).parent.name, info.file_size, reader(packed, info), limits)


def check_directory(path: Path, limits: PictureLimits) -> None:
    """A zip tells at its end how long its list of files is; reading millions of them would fill the memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - END_SIZE - LONGEST_COMMENT, 0))
        tail = file.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) - place < END_SIZE:
        raise PicturesError(f"{path.name} is no zip that can be read: it may have been cut off. Pack it again.")
    length, = struct.unpack_from("<L", tail, place + 12)
    if length > limits.directory_megabytes * MEGA:
        raise PicturesError(f"{path.name} holds too many files: pack at most {limits.files} pictures into one zip.")


def not_inside(name: str, info: zipfile.ZipInfo) -> str:
    """Why an entry of a zip is not read, or "". Nothing is unpacked, so a path could do no harm; but it is no picture's."""
    if name.startswith("/") or PureWindowsPath(name).drive or ".." in name.split("/"):
        return "its path leads out of the zip"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link, not a picture"
    if info.flag_bits & 1:
        return "locked with a password: pack it without"
    return ""


def reader(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    """An entry's bytes: no more than its size in the list, whatever it unpacks to."""
    def read() -> bytes:
        try:
            with packed.open(info) as file:
                return file.read(info.file_size)
        except Exception as error:  # a damaged entry raises whatever its unpacking stumbles over
            raise Unusable(f"cannot be unpacked ({error or type(error).__name__})") from error
    return read


def usable(name: str, folder: str, size: int, read: Callable[[], bytes], limits: PictureLimits) -> Found | Skipped:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ZIP:
        return Skipped(name, "a zip within another: unpack it, and hand it over by itself")
    if suffix not in (*PICTURES, *LISTS):
        return Skipped(name, "neither a picture nor a list of prompts (csv, json, jsonl)")
    if name.count("/") > limits.folders:
        return Skipped(name, f"more than {limits.folders} folders deep")
    if size > limits.file_megabytes * MEGA:
        return Skipped(name, f"{size / MEGA:.0f} MB large, {limits.file_megabytes} may be read")
    return Found(name, folder, size, read)


def is_seen(name: str) -> bool:
    """Not what computers leave beside pictures for themselves."""
    return not name.startswith(".") and name not in UNSEEN or name in ("..", ".")


def suffixes() -> Iterable[str]:
    """Of everything that can be handed over."""
    return (*PICTURES, *LISTS, ZIP)
