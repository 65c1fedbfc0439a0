"""Files that a trainer's `<uri>` names: fetched once, checked before they are opened."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from novaspeech.errors import WeightsError, first_line
from novaspeech.hooks import Log
from novaspeech.models.weights import asset_cache

BLOCK = 1 << 20  # bytes that are read at once
TIMEOUT = 60  # seconds without an answer
STALE = 24 * 3600  # seconds after which the leftovers of a killed job are nobody's

_ZENODO = re.compile(r"/records?/(\d+)/files/([^/?]+)")
_LOOPBACK = ("127.0.0.1", "localhost")
# What network, JSON and zip have when something is not as it should be.
_FAILURES = (OSError, HTTPException, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, RuntimeError)


def fetch(uri: Any, log: Log = print) -> Path:
    """The file of a `<uri>`, from the cache or fetched.

    Args:
        uri: the host's `URI`: `uri_url`; `uri_hash`, "md5:…", "sha256:…" or "git:…" (the id that git gives a file), or
            "zenodo" for the md5 that the record on Zenodo states, which finds damage but no exchange; `uri_tar`,
            whether it is an archive (a zip), which is unpacked.
        log: takes a line when something is fetched.

    Returns:
        the file, or the folder that an archive was unpacked into.

    Raises:
        WeightsError: it cannot be had, is not what the hash says, or would be unpacked outside its folder. Nothing
            is left behind then.
    """
    target = place_of(uri)
    if target.exists():
        return target
    url, stated = str(uri.uri_url), str(uri.uri_hash or "")
    try:
        _fetch_into(target, url, stated, bool(uri.uri_tar), log)
    except WeightsError:
        raise
    except _FAILURES as error:
        raise WeightsError(
            f"{url} cannot be fetched ({first_line(error)}); copy what it holds to this machine and name it in the "
            f"option 'model'"
        ) from error
    return target


def place_of(uri: Any) -> Path:
    """Where the cache has what `fetch` gives, or will have it."""
    url, stated = str(uri.uri_url), str(uri.uri_hash or "")
    name = Path(urlsplit(url).path).name
    folder = asset_cache() / hashlib.sha256(f"{url} {stated}".encode()).hexdigest()[:16]
    return folder / (Path(name).stem if uri.uri_tar else name)


def _fetch_into(target: Path, url: str, stated: str, archive: bool, log: Log) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    expected = _expected_hash(url, stated)
    log(f"fetching {url} into {target.parent}")
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob("partial-*"):
        if leftover.stat().st_mtime < time.time() - STALE:
            shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="partial-") as temporary:
        file = Path(temporary, "file")
        _download(url, file, expected)
        if archive:
            file = _unpack(file, url)
        try:
            file.rename(target)
        except OSError:
            if not target.exists():  # else another job was faster: its files are as good
                raise


def _open(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ValueError("only https is fetched")
    # Some sites refuse the name that Python gives itself.
    return urlopen(Request(url, headers={"User-Agent": "novaspeech"}), timeout=TIMEOUT)


def _expected_hash(url: str, stated: str) -> tuple[str, str]:
    """Algorithm and hexadecimal digits that a file must have."""
    if stated == "zenodo":
        parts = urlsplit(url)
        found = _ZENODO.search(parts.path)
        if found is None:
            raise ValueError("its hash is to be Zenodo's, but the address names no record")
        with _open(f"{parts.scheme}://{parts.netloc}/api/records/{found[1]}") as answer:
            entries = json.load(answer)["files"]
        stated = next((entry["checksum"] for entry in entries if entry["key"] == found[2]), "")
    algorithm, _, digits = stated.partition(":")
    if algorithm not in ("md5", "sha256", "git") or not digits:
        raise ValueError(f"its hash {stated!r} is none of md5:…, sha256:…, git:…")
    return algorithm, digits.lower()


def _download(url: str, file: Path, expected: tuple[str, str]) -> None:
    """Fetches a file block by block and compares its hash."""
    algorithm, digits = expected
    with _open(url) as answer, file.open("wb") as out:
        shutil.copyfileobj(answer, out, BLOCK)
    found = _digits(file, algorithm)
    if found != digits:
        raise WeightsError(
            f"{url} has the {'git id' if algorithm == 'git' else algorithm} {found}, {digits} is expected: damaged on "
            f"its way, or not the published file; it was not opened and is deleted; try again"
        )


def _digits(file: Path, algorithm: str) -> str:
    """Hexadecimal digits of a file's hash."""
    if algorithm == "git":  # a blob's id
        hashed = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        hashed = hashlib.new(algorithm, usedforsecurity=False)
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            hashed.update(block)
    return hashed.hexdigest()


def _unpack(archive: Path, url: str) -> Path:
    """The folder with the content of a zip, if none of it would lie outside."""
    folder = archive.parent / "content"
    with zipfile.ZipFile(archive) as content:
        for name in content.namelist():
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
                raise WeightsError(f"{url} holds {name!r}, which would lie outside its folder; nothing was unpacked")
        content.extractall(folder)
    return folder
