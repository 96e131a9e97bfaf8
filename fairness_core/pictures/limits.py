"""What pictures from elsewhere may be: how many, how large, how deep; and how it is said that they may not."""

from dataclasses import dataclass

from fairness_core.errors import UserError

MEGA = 1_000_000


class PicturesError(UserError):
    """Pictures that cannot be judged; the message says what to change."""


@dataclass(frozen=True)
class PictureLimits:
    """What is read of what someone hands over, all unpacked. files: pictures and lists in all; folders: one in another.

    directory_megabytes: of a zip's own list of its files, which is read before anything else.
    """

    files: int = 5000
    file_megabytes: int = 64
    total_megabytes: int = 8000
    directory_megabytes: int = 4
    megapixels: int = 64
    folders: int = 8
    prompts: int = 200


LIMITS = PictureLimits()


@dataclass(frozen=True)
class Skipped:
    """A file that is left out, by the name that people know it by, and why."""

    name: str
    why: str


class Unusable(PicturesError):
    """Why one file is left out; whoever reads the files makes it a `Skipped`."""
