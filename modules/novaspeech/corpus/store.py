"""Where a corpus's results go: files below a folder or a URL, each there whole or not at all."""

from __future__ import annotations

import os
import posixpath
import secrets
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from novaspeech.corpus.rows import is_url, opened
from novaspeech.saving import flush

# Stores in which an upload appears when it is complete. In others a file is written beside its place and renamed.
_WHOLE_BY_THEMSELVES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
BOOKS = ".corpus"  # the folder, in a store, of what is no result
SCRATCH = f"{BOOKS}/scratch"
_PREFIX = "novaspeech-"


class Store(ABC):
    """Files by their names, relative paths with "/".

    Args:
        home: the folder of this machine for what is on its way.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._own: tuple[Path, FileLock] | None = None

    @abstractmethod
    def put(self, file: Path, name: str) -> None:
        """Moves a file of the scratch to its place. Raises OSError if it cannot."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """What a file holds; None if it is not there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Removes a file if it is there."""

    @abstractmethod
    def names(self, folder: str) -> Iterator[str]:
        """Names, relative to a folder, of all files below it."""

    def write(self, name: str, content: bytes) -> None:
        """Writes a small file. Raises OSError if it cannot."""
        with self.scratch() as folder:
            file = folder / "file"
            file.write_bytes(content)
            flush(file)
            self.put(file, name)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Inside, there is a folder of this machine for files that are on their way.

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


def store_at(place: str) -> Store:
    """The store at a folder or URL.

    Raises:
        PackageError: a package for the URL's kind is missing.
        RequestError: there is no such kind.
    """
    return UrlStore(place) if is_url(place) else FolderStore(Path(place).expanduser())


class FolderStore(Store):
    """A folder of this machine, or of a disk that several share.

    What is on its way lies in it, too, since only there a file can be renamed.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root / SCRATCH)
        self._root = root

    def put(self, file: Path, name: str) -> None:
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)

    def read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self._root / name).read_bytes()
        return None

    def remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def names(self, folder: str) -> Iterator[str]:
        root = self._root / folder
        for place, _, files in os.walk(root):
            yield from (Path(place, file).relative_to(root).as_posix() for file in files)


class UrlStore(Store):
    """A place that fsspec knows, such as a bucket."""

    def __init__(self, url: str) -> None:
        super().__init__(Path(tempfile.gettempdir()))
        self._files, self._root = opened(url)
        protocol = self._files.protocol
        protocols = {protocol} if isinstance(protocol, str) else set(protocol)
        self._renames = not protocols & _WHOLE_BY_THEMSELVES

    def put(self, file: Path, name: str) -> None:
        target = posixpath.join(self._root, name)
        if not self._renames:
            self._files.put_file(str(file), target)
            return
        self._files.makedirs(posixpath.dirname(target), exist_ok=True)
        partial = f"{posixpath.dirname(target)}/.{secrets.token_hex(4)}.partial"
        self._files.put_file(str(file), partial)
        self._files.mv(partial, target)

    def read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError):
            content: bytes = self._files.cat_file(posixpath.join(self._root, name))
            return content
        return None

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._files.rm_file(posixpath.join(self._root, name))

    def names(self, folder: str) -> Iterator[str]:
        self._files.invalidate_cache()
        root = posixpath.join(self._root, folder)
        yield from (posixpath.relpath(path, root) for path in self._files.find(root))
