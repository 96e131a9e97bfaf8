"""One way to say no: errors whose message is for people. Every other error is a bug, and its traceback goes to a log."""

import errno
from pathlib import Path


class UserError(ValueError):
    """Something that cannot be used or done as asked; the message says in plain words what is wrong and what to do."""


def words_for(error: Exception) -> str:
    """What people are told about an error that is no bug: a UserError's message, or what the disk refused."""
    return disk_words(error) if isinstance(error, OSError) else str(error)


def disk_words(error: OSError) -> str:
    """What the operating system refused, without its numbers."""
    name = error.filename
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "The disk is full: make room on it, then try again."
        case errno.EFBIG:
            return "A file became larger than may be written here: raise the limit (ulimit -f) or choose another disk, then try again."
        case errno.ENOTDIR | errno.EEXIST if name:
            return f"{file_on_the_way(Path(name))} is a file, not a folder: choose another folder, or move that file away."
        case errno.EISDIR if name:
            return f"{name} is a folder, not a file: name a file in it."
        case errno.EACCES | errno.EPERM | errno.EROFS if name:
            return f"{name} may not be read or written here: choose another place, or change its permissions."
        case errno.ENOENT if name:
            return f"There is no {name}: check the path."
        case errno.ENAMETOOLONG:
            return "The name of a file or folder is too long: choose a shorter one."
    return f"{name}: {error.strerror}." if name and error.strerror else str(error)


def file_on_the_way(path: Path) -> Path:
    """The part of a path that is a file where a folder is needed; the path itself where it is gone by now."""
    return next((part for part in (path, *path.parents) if part.is_file()), path)
