"""Files that a trainer's `<uri>` names: fetched once, checked before they are opened."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from novaspeech.errors import UnfetchedError, WeightsError, first_line, quoted
from novaspeech.hooks import Log
from novaspeech.models.hub import LARGEST_GB, asset_cache, gigabytes
from novaspeech.saving import hidden_folder, sweep
from novaspeech.wording import advice

BLOCK = 1 << 20  # bytes that are read at once
TIMEOUT = 60  # seconds without an answer, or without data
LARGEST = LARGEST_GB * 10**9  # bytes of a file, and of what an archive holds

_ZENODO = re.compile(r"/records?/(\d+)/files/([^/?]+)")
_LOOPBACK = ("127.0.0.1", "localhost")
# Errors of network, JSON and zip when something is not as it should be.
_FAILURES = (OSError, HTTPException, ValueError, TypeError, LookupError, zipfile.BadZipFile, zlib.error, RuntimeError)


def fetch(uri: Any, log: Log = print) -> Path:
    """The file of a `<uri>`, from the cache or fetched.

    Args:
        uri: the host's `URI`: `uri_url`; `uri_hash`, "md5:…", "sha256:…" or "git:…" (the id that git gives a file), or
            "zenodo" for the md5 that the record on Zenodo states, which finds damage but no exchange; `uri_tar`,
            whether it is an archive (a zip), which is unpacked.

    Returns:
        the file, or the folder that an archive was unpacked into.

    Raises:
        WeightsError: it cannot be had, is not what the hash says, or has more than `LARGEST` bytes. Nothing is left
            behind then.
    """
    target, url = place_of(uri), str(uri.uri_url)
    sweep(target.parent)  # of jobs that were killed, though another one got the file
    if not target.exists():
        try:
            _fetch_into(target, url, str(uri.uri_hash or ""), bool(uri.uri_tar), log)
        except WeightsError:
            raise
        except _FAILURES as error:
            raise UnfetchedError(
                f"{url} cannot be fetched ({first_line(error)}); copy what it holds to this machine and "
                f"{advice('model', 'PLACE')}, or copy a cache that has it to {asset_cache()}"
            ) from None  # pages of the network's own calls
    return target


def place_of(uri: Any) -> Path:
    """Place in the cache of what `fetch` gives."""
    url, stated = str(uri.uri_url), str(uri.uri_hash or "")
    name = Path(urlsplit(url).path).name
    folder = asset_cache() / hashlib.sha256(f"{url} {stated}".encode()).hexdigest()[:16]
    return folder / (Path(name).stem if uri.uri_tar else name)


def _fetch_into(target: Path, url: str, stated: str, archive: bool, log: Log) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    algorithm, digits = _expected_hash(url, stated)
    target.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(target.parent) as temporary:
        file = temporary / "file"
        _download(url, file, lambda size: log(f"fetching {url} ({size}) into {target.parent}"))
        found = _digest(file, algorithm)
        if found != digits:
            raise WeightsError(
                f"{url} has the {'git id' if algorithm == 'git' else algorithm} {found}, {digits} is expected: damaged "
                f"on its way, or not the published file; it was not opened and is deleted; try again"
            )
        if archive:
            file = _unpacked(file, url)
        try:
            file.rename(target)
        except OSError:
            if not target.exists():  # else another job was faster: its files are as good
                raise


def _download(url: str, file: Path, log: Log) -> None:
    """Writes what a server sends, within the limits; `log` takes the size that it states."""
    with _open(url) as answer, file.open("wb") as out:
        size = int(answer.headers.get("Content-Length", 0))
        log(gigabytes(size) if size else "of a size that the server does not state")
        while max(size, out.tell()) <= LARGEST:
            block = answer.read(BLOCK)
            if not block:
                return
            out.write(block)
        size = max(size, out.tell())
    raise ValueError(f"it has {gigabytes(size)}, more than the {LARGEST_GB} GB that are fetched")


def _digest(file: Path, algorithm: str) -> str:
    """Hexadecimal digits of a file's hash; git puts the size before the content."""
    digest = hashlib.new("sha1" if algorithm == "git" else algorithm, usedforsecurity=False)
    if algorithm == "git":
        digest.update(f"blob {file.stat().st_size}\0".encode())
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _open(url: str) -> Any:
    """A server's answer; ValueError if it, or where it redirects to, is asked by anything but https."""
    _refuse_unsafe(url)
    # Some sites refuse the name that Python gives itself.
    answer = urlopen(Request(url, headers={"User-Agent": "novaspeech"}), timeout=TIMEOUT)
    try:
        _refuse_unsafe(answer.url)
    except ValueError:
        answer.close()
        raise
    return answer


def _refuse_unsafe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("only https is fetched")


def _expected_hash(url: str, stated: str) -> tuple[str, str]:
    """Algorithm and hexadecimal digits that a file must have."""
    if stated == "zenodo":
        parts = urlsplit(url)
        found = _ZENODO.search(parts.path)
        if found is None:
            raise ValueError("its hash is to be Zenodo's, but the address names no record")
        with _open(f"{parts.scheme}://{parts.netloc}/api/records/{found[1]}") as answer:
            files = json.load(answer)["files"]
        stated = next((str(entry["checksum"]) for entry in files if entry["key"] == found[2]), "")
    algorithm, _, digits = stated.partition(":")
    if algorithm not in ("md5", "sha256", "git") or not digits:
        raise ValueError(f"its hash {quoted(stated)} is none of md5:…, sha256:…, git:…")
    return algorithm, digits.lower()


def _unpacked(archive: Path, url: str) -> Path:
    """The folder with the content of a zip; zipfile itself lets nothing lie outside, and unpacks what is stated."""
    folder = archive.parent / "content"
    with zipfile.ZipFile(archive) as content:
        size = sum(entry.file_size for entry in content.infolist())
        if size > LARGEST:
            raise WeightsError(
                f"{url} would unpack to {gigabytes(size)}, more than {LARGEST_GB} GB; nothing was unpacked"
            )
        content.extractall(folder)
    return folder
