"""Models that each machine needs: the same ones everywhere, brought to each once."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from novaspeech.corpus.store import is_url, opened
from novaspeech.errors import WeightsError, first_line
from novaspeech.models.hub import asset_cache, pinned
from novaspeech.models.weights import HUB_ID
from novaspeech.module.options import Options
from novaspeech.wording import COMMAND


def settled(parsed: Options, given: Mapping[str, str]) -> dict[str, str]:
    """The given options with a model of the Hub named by its commit of now, so that all machines have the same.

    Raises:
        WeightsError: there is no such model, or the Hub cannot be asked.
    """
    model = str(getattr(parsed, "model", ""))
    exported = getattr(parsed, "exported", False)  # an export is a folder
    if exported or not HUB_ID.fullmatch(model) or Path(model).expanduser().exists():
        return dict(given)
    return {**given, "model": pinned(model)}


def stamp(place: str) -> str:
    """Identity of a file or folder, here or at a URL, whatever has its name later; "" if there is none.

    Raises:
        WeightsError: what is at a URL cannot be had.
    """
    if is_url(place):
        return _listing(place)[0]
    with suppress(OSError, RuntimeError):  # a text that is no path
        path = Path(place).expanduser()
        if path.is_file() or path.is_dir():
            files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
            stats = [(file.name, file.stat().st_size, int(file.stat().st_mtime)) for file in files]
            return hashlib.blake2b(json.dumps(stats).encode(), digest_size=8).hexdigest()
    return ""


def at_hand(parsed: Options, given: Mapping[str, str]) -> dict[str, str]:
    """The given options with the files that they name at URLs on this machine.

    Raises:
        WeightsError: one cannot be had.
    """
    fields = parsed.fields()
    return {
        name: str(_brought(value)) if fields[name].metadata["file"] and is_url(value) else value
        for name, value in given.items()
    }


def _brought(url: str) -> Path:
    """A file or folder at a URL, copied to this machine's cache once."""
    digits, files, root = _listing(url)
    home = asset_cache() / hashlib.sha256(f"{url} {digits}".encode()).hexdigest()[:16]
    target = home / PurePosixPath(root).name
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if not target.exists():
            for left in home.iterdir():  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=home) as folder, _said(url):
                partial = Path(folder, target.name)
                files.get(root, str(partial), recursive=True)
                partial.rename(target)
    return target


def _listing(url: str) -> tuple[str, Any, str]:
    """A hash of all that lies at a URL; its file system, and the path in it."""
    files, root = opened(url.rstrip("/"))
    with _said(url):
        files.invalidate_cache()
        found = files.find(root, detail=True) if files.isdir(root) else {root: files.info(root)}
        about = [
            (path, one.get("size"), str(one.get("ETag") or one.get("LastModified") or one.get("mtime") or ""))
            for path, one in sorted(found.items())
        ]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16], files, root


@contextmanager
def _said(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsError(
            f"{url} cannot be fetched ({first_line(error)}); copy what it holds to this machine and "
            f"{COMMAND.option('model', 'PLACE')}"
        ) from error
