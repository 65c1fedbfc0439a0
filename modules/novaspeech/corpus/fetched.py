"""Models that each machine needs: the same ones everywhere, brought to each once."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from novaspeech.corpus.store import is_url, opened
from novaspeech.errors import WeightsError, first_line
from novaspeech.models.hub import asset_cache, pinned
from novaspeech.models.weights import HUB_ID
from novaspeech.module.catalogue import published_is_here
from novaspeech.module.options import Options


def settled(parsed: Options, given: Mapping[str, str], *, pin: bool) -> tuple[dict[str, str], dict[str, str]]:
    """The given options, and what stands for the files that they name at URLs.

    Args:
        pin: whether a model of the Hub is named with the commit that it has now, so that all machines have the same.

    Returns:
        the options, and URL → digits that change when what lies there does.

    Raises:
        WeightsError: a model cannot be had.
    """
    options, stamps = dict(given), {}
    pin = pin and not getattr(parsed, "exported", False)  # an export has a place of its own
    for name, field in parsed.fields().items():
        value = str(getattr(parsed, name))
        if field.metadata["file"] and is_url(value):
            stamps[value] = _listing(value)[0]
        elif name == "model" and pin and HUB_ID.fullmatch(value) and not Path(value).expanduser().exists():
            options[name] = pinned(value)
    return options, stamps


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


@contextmanager
def one_at_a_time(module: str) -> Iterator[None]:
    """Keeps others on this machine from fetching the published model, inside; if it is there, nobody waits."""
    if published_is_here(module):
        yield
        return
    asset_cache().mkdir(parents=True, exist_ok=True)
    with FileLock(asset_cache() / f"{module}.lock"):
        yield


def _brought(url: str) -> Path:
    """A file or folder at a URL, copied to this machine's cache once."""
    stamp, files, root = _listing(url)
    home = asset_cache() / hashlib.sha256(f"{url} {stamp}".encode()).hexdigest()[:16]
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
            f"{url} cannot be fetched ({first_line(error)}); copy what it holds to this machine and name "
            f"it in the option 'model'"
        ) from error
