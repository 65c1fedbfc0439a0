"""Places of results: files below a folder or a URL, each there whole or not at all."""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
from filelock import FileLock, Timeout

from novaspeech.errors import PackageError, RequestError, first_line
from novaspeech.saving import flush, whole

BOOKS = ".corpus"  # the folder of what is no result
DATA = "~"  # ends the name of an output's second file, which holds its data
# Stores in which an upload appears when it is complete. In others a file is written beside its place and renamed.
_WHOLE_BY_THEMSELVES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
_PREFIX = "novaspeech-"

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
def _if_there() -> Iterator[None]:
    """Ignores, inside, that a file is not there, also for a name that no file can have."""
    try:
        yield
    except OSError as error:
        if not (isinstance(error, (FileNotFoundError, NotADirectoryError)) or error.errno == errno.ENAMETOOLONG):
            raise


class Store:
    """A folder or URL of many results; files go by their paths in it, with "/".

    What is on its way lies below a folder, since only there a file can be renamed, else in the temporary folder.
    """

    def __init__(self, place: str) -> None:
        self._files, self._root = opened(place)
        self._here, protocol = not is_url(place), self._files.protocol
        self._renames = not _WHOLE_BY_THEMSELVES.intersection([protocol] if isinstance(protocol, str) else protocol)
        self._home = Path(self._root, BOOKS, "scratch") if self._here else Path(tempfile.gettempdir())
        self._own: tuple[Path, FileLock] | None = None

    def read(self, name: str) -> bytes | None:
        """Content of a file; None if it is not there."""
        with _if_there():
            content: bytes = self._files.cat_file(self._place(name))
            return content
        return None

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
        with self.scratch() as folder:
            file = folder / "file"
            file.write_bytes(content)
            flush(file)
            self._put(file, name)

    def save(self, folder: str, write: Write) -> dict[str, int]:
        """Puts results into a folder, a header after its data, an older header removed before; gives name → bytes."""
        with self.scratch() as scratch:
            write(scratch)
            files = sorted(scratch.iterdir(), key=lambda file: (not file.name.endswith(DATA), file.name))
            sizes = {file.name: file.stat().st_size for file in files}
            for name in sizes:
                if f"{name}{DATA}" in sizes:
                    self.remove(posixpath.join(folder, name))
            for file in files:
                self._put(file, posixpath.join(folder, file.name))
        return sizes

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of this machine, inside, for files that are on their way.

        What a killed process leaves of it goes with the next `sweep`.
        """
        with tempfile.TemporaryDirectory(dir=self._locked(), ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def sweep(self) -> None:
        """Removes what processes left that were killed: their locks are free."""
        for file in self._home.glob(f"{_PREFIX}*.lock"):
            with suppress(Timeout, OSError), FileLock(file, timeout=0):
                shutil.rmtree(file.with_suffix(""), ignore_errors=True)
                file.unlink()

    def close(self) -> None:
        """Removes the scratch."""
        if self._own:
            folder, lock = self._own
            shutil.rmtree(folder, ignore_errors=True)
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
            self._own = None

    def _place(self, name: str) -> str:
        return Path(self._root, name).as_posix() if self._here else posixpath.join(self._root, name)

    def _put(self, file: Path, name: str) -> None:
        """Moves a file of the scratch to its place."""
        target = self._place(name)
        if not self._renames:
            self._files.put_file(str(file), target)
            return
        self._files.makedirs(posixpath.dirname(target), exist_ok=True)
        if self._here:
            file.replace(target)
        else:
            unfinished = f"{posixpath.dirname(target)}/.{secrets.token_hex(4)}.partial"
            self._files.put_file(str(file), unfinished)
            self._files.mv(unfinished, target)

    def _locked(self) -> Path:
        """A folder of this process, as long as it lives."""
        while self._own is None:
            folder = self._home / f"{_PREFIX}{secrets.token_hex(4)}"
            self._home.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder.with_suffix(".lock"))
            lock.acquire()
            folder.mkdir()
            if Path(lock.lock_file).exists():  # else swept before it was locked
                self._own = folder, lock
        return self._own[0]


class PlainStore(Store):
    """A folder in which nothing but results is ever made. Files may lie elsewhere, too, by their absolute paths."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self._home = Path(tempfile.gettempdir())

    def write(self, name: str, content: bytes) -> None:
        file = Path(self._place(name))
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as partial:
            partial.write_bytes(content)

    def save(self, folder: str, write: Write) -> dict[str, int]:
        files = write(Path(self._place(folder)))
        files += [data for file in files if (data := file.with_name(f"{file.name}{DATA}")).exists()]
        return {file.name: file.stat().st_size for file in files}
