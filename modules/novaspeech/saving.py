"""Outputs appear whole or not at all, whatever ends the writing: an error, a full disk, a kill.

An output is two files: `x.stream`, a header, and `x.stream~`, the data. The servers write both in place, the header
first: a writer killed midway leaves a header that claims more than there is, and what was there before is gone. Here
the pair is written to a hidden folder beside its place, by the host and so with the host's bytes, and then moved.

Two moves are not one: an older header beside newer data would read as something that nobody computed. So the old
header goes first, and the new one comes last. At each moment there is the whole old pair, or no header, which reads
as no output, or the whole new pair. What fails between the moves is undone in the opposite order. (Both files in one
folder that is swapped at once would leave no such moment, but the servers look for two files with fixed names.)
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from novaspeech.errors import SavingError

_PREFIX = ".novaspeech-"  # of the hidden folders; tempfile adds eight characters
_ABANDONED_S = 24 * 3600  # a writer that was killed leaves its folder; nobody writes one output for a day
_lock = threading.Lock()  # several jobs may run in one process

_FULL = "make room on the disk and run it again"
_PART = "make room on the disk, or raise the limit for a file (ulimit -f), and run it again"
_GONE = "its folder is gone; make it again and run it again"
_FORBIDDEN = "it or its folder may not be changed, or another program holds it open; mend that and run it again"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the disk or the server's limits (ulimit -f) allow no file as large; save to another, or raise them",
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: "make its disk writable and run it again",
    errno.EISDIR: "there is a folder of that name; move it away",
    errno.ENAMETOOLONG: "give it a shorter name",
}


def too_long(file: Path) -> bool:
    """Whether a file's name or path is too long for the disk, for its data's (`x.stream~`) or while it is written."""
    data = f"{file.name}~"
    # Asking for a file's state tells what its file system allows, and leaves nothing behind. Of a folder that is not
    # there yet it would only tell that.
    there = next((folder for folder in file.absolute().parents if folder.is_dir()), file.parent)
    places = (file.with_name(data), there / data, file.parent / f"{_PREFIX}{'x' * 8}" / data)
    for place in places:
        try:
            place.lstat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return True
    return False


def protected(file: Path) -> bool:
    """Whether an earlier output may not be replaced: moving a new one over it would not ask for its permissions."""
    if not file.is_file():
        return file.is_dir()
    try:
        file.open("r+b").close()  # os.access does not know the rights that Windows gives
    except OSError:
        return True
    return False


def takes_files(folder: Path) -> bool:
    """Whether files can be made in a folder: by making one, since os.access does not know Windows' rights."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A place to write a file and those beside it; after the `with` block they are in their own.

    Raises:
        SavingError: it failed, and nothing has changed.
    """
    try:
        with hidden_folder(file.parent) as partial:
            yield partial / file.name
            _move(partial, file.parent)
    except OSError as error:
        raise _failure(file, error) from error


@contextmanager
def hidden_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder in another one, there until the end of the `with` block."""
    sweep(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_PREFIX, ignore_cleanup_errors=True) as hidden:
        yield Path(hidden)


def _failure(file: Path, error: OSError) -> SavingError:
    """A message with the file, the system's reason and what to do."""
    # NumPy says of a file that it could write in part only how much, without a number for the reason.
    reason = os.strerror(error.errno) if error.errno else "only a part of it fitted"
    remedy = _REMEDIES.get(error.errno, "mend that and run it again") if error.errno else _PART
    failure = SavingError(f"{file.absolute()} cannot be written ({reason}): {remedy}; an earlier one is unchanged")
    failure.errno = error.errno
    return failure


def _move(partial: Path, folder: Path) -> None:
    """Moves new files to their place, and what was there out of the way; all, or none if one cannot be."""
    new = sorted(partial.iterdir(), key=lambda file: not file.name.endswith("~"))  # the header last
    for file in new:
        flush(file)
    old = Path(partial, "old")
    old.mkdir()
    places = [folder / file.name for file in new]
    tried: list[tuple[Path, Path]] = []
    with _lock:
        for place in places:
            if protected(place):
                raise OSError(errno.EISDIR if place.is_dir() else errno.EACCES, "an earlier one is protected")
        moves = [(place, old / place.name) for place in reversed(places) if os.path.lexists(place)]
        try:
            for source, target in [*moves, *zip(new, places, strict=True)]:
                tried.append((source, target))
                source.replace(target)
        except BaseException:  # Ctrl-C is as bad as an error
            for source, target in reversed(tried):
                if not os.path.lexists(source):
                    target.replace(source)
            raise


def flush(file: Path) -> None:
    """Waits until a file is on the disk: a header must not outlive a power cut that its data do not.

    Some file systems say only then that there is no room.
    """
    with file.open("r+b") as opened:
        try:
            os.fsync(opened.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # network disks that cannot do it
                raise


def sweep(folder: Path) -> None:
    """Removes the hidden folders that writers left who were killed long ago."""
    _sweep(folder, int(time.time() // _ABANDONED_S))


@lru_cache  # once a day: a folder of a million files is not searched for each of them
def _sweep(folder: Path, day: int) -> None:
    for left in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left, ignore_errors=True)
