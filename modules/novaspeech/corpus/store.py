"""Places of results: files below a folder or a URL, each there whole or not at all."""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import fsspec
from filelock import FileLock, Timeout

from novaspeech.errors import PackageError, RequestError, first_line
from novaspeech.formats.files import tiers_in
from novaspeech.saving import whole

BOOKS = ".corpus"  # the folder of what is no result
DATA = "~"  # ends the name of an output's second file, which holds its data
# Stores in which an upload appears when it is complete. In others a file is written beside its place and renamed.
_WHOLE_BY_THEMSELVES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
_PREFIX, _LOCK = "novaspeech-", ".lock"

Write = Callable[[Path], "list[Path]"]  # writes results into a folder and gives their paths, without those of data
Size = Callable[[str], "int | None"]  # bytes of a file; None if it is not there


def is_url(place: str) -> bool:
    """Whether a place is fsspec's to open, and not a path of this machine."""
    return "://" in place


def opened(place: str) -> tuple[Any, str]:
    """The file system of a path or URL, and the path in it.

    Raises:
        PackageError: a package for its kind is missing.
        RequestError: there is no such kind.
    """
    if not is_url(place):  # fsspec would take "::" in it for its own
        whole_path = os.path.abspath(Path(place).expanduser())  # noqa: PTH100 - without ".." in it
        return fsspec.filesystem("file"), Path(whole_path).as_posix()
    try:
        filesystem, path = fsspec.core.url_to_fs(place)
    except ImportError as error:
        raise PackageError(f"{place} needs a package more: {first_line(error)}") from error
    except ValueError as error:
        raise RequestError(f"{place} cannot be opened: {first_line(error)}") from error
    return filesystem, path


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for files on their way from or to a URL, inside; what a killed process leaves goes with `sweep`."""
    lock = Path(tempfile.gettempdir(), f"{_PREFIX}{secrets.token_hex(8)}{_LOCK}")  # there before the folder and after
    try:
        with FileLock(lock):
            (folder := lock.with_suffix("")).mkdir(mode=0o700)
            yield folder
    finally:
        sweep()


def sweep() -> None:
    """Removes scratch that nobody uses any more, also of processes that were killed: its lock is free."""
    for lock in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*{_LOCK}"):
        with suppress(Timeout, OSError):
            with FileLock(lock, timeout=0):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink()


@contextmanager
def _if_there() -> Iterator[None]:
    """Ignores, inside, that a file is not there, also for a name that no file can have."""
    try:
        yield
    except OSError as error:
        if not (isinstance(error, (FileNotFoundError, NotADirectoryError)) or error.errno == errno.ENAMETOOLONG):
            raise


class Store:
    """A folder or URL of many results; files go by their paths in it, with "/", on this machine by absolute ones, too.

    In a folder each file is moved to its place (`novaspeech.saving`), to a URL it is uploaded.
    """

    def __init__(self, place: str) -> None:
        self._files, self._root = opened(place)
        self._here, protocol = not is_url(place), self._files.protocol
        self._renames = not _WHOLE_BY_THEMSELVES.intersection([protocol] if isinstance(protocol, str) else protocol)

    def read(self, name: str) -> bytes | None:
        """Content of a file; None if it is not there."""
        with _if_there():
            content: bytes = self._files.cat_file(self._place(name))
            return content
        return None

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file that is read piece by piece."""
        opened_file: AbstractContextManager[IO[bytes]] = self._files.open(self._place(name), "rb")
        return opened_file

    def remove(self, name: str) -> None:
        """Removes a file if it is there."""
        with _if_there():
            self._files.rm_file(self._place(name))

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if it is not there."""
        self._files.invalidate_cache()
        with _if_there():
            return int(self._files.info(self._place(name))["size"])
        return None

    def sizes(self) -> Size:
        """A function that gives the sizes of many files, as they are now."""
        if self._here:
            return self.size
        self._files.invalidate_cache()  # one question, where a file each would take a day
        found = self._files.find(self._root, detail=True)
        return {posixpath.relpath(path, self._root): about["size"] for path, about in found.items()}.get

    def write(self, name: str, content: bytes) -> None:
        """Writes a small file. Raises OSError if it cannot."""
        if not self._here:
            self._upload(name, lambda target: self._files.pipe_file(target, content))
            return
        file = Path(self._place(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as partial_file:
            partial_file.write_bytes(content)

    def tiers(self, name: str) -> list[str]:
        """Names of the tiers in a file that modules share. Raises RequestError if it cannot be read."""
        if self._here:
            return tiers_in(Path(self._place(name)))
        with scratch() as files:
            return tiers_in(self._fetched(name, files))

    def save(self, folder: str, shared: Iterable[str], write: Write) -> dict[str, int]:
        """Puts results into a folder, a header after its data, an older header removed before; gives name → bytes.

        Args:
            shared: names of files to which they add tiers, if they are there.
        """
        if self._here:
            return _sizes(write(Path(self._place(folder))))
        with scratch() as files:
            for name in shared:
                with _if_there():
                    self._fetched(posixpath.join(folder, name), files)
            sizes = _sizes(write(files))
            for name in sizes:
                if f"{name}{DATA}" in sizes:
                    self.remove(posixpath.join(folder, name))
            for name in sorted(sizes, key=lambda name: (not name.endswith(DATA), name)):
                self._upload(posixpath.join(folder, name), partial(self._files.put_file, str(files / name)))
        return sizes

    def _fetched(self, name: str, folder: Path) -> Path:
        file = folder / posixpath.basename(name)
        self._files.get_file(self._place(name), str(file))
        return file

    def _place(self, name: str) -> str:
        return Path(self._root, name).as_posix() if self._here else posixpath.join(self._root, name)

    def _upload(self, name: str, put: Callable[[str], object]) -> None:
        """Has a file put to its place, or beside it and then renamed."""
        target = self._place(name)
        if not self._renames:
            put(target)
            return
        folder = posixpath.dirname(target)
        self._files.makedirs(folder, exist_ok=True)
        unfinished = f"{folder}/.{secrets.token_hex(4)}.partial"
        put(unfinished)
        self._files.mv(unfinished, target)


def _sizes(files: list[Path]) -> dict[str, int]:
    """Name → bytes of results and of their data."""
    both = [*files, *(data for file in files if (data := file.with_name(f"{file.name}{DATA}")).exists())]
    return {file.name: file.stat().st_size for file in both}
