"""Files that a trainer's `<uri>` names: fetched once, checked before they are opened."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from novaspeech.errors import WeightsError
from novaspeech.weights import asset_cache

BLOCK = 1 << 20  # bytes that are read at once
TIMEOUT = 60  # seconds without an answer

_ZENODO = re.compile(r"/records?/(\d+)/files/([^/?]+)")


def fetch(uri: Any, log: Callable[[str], None] = print) -> Path:
    """The file of a `<uri>`, from the cache or fetched.

    Args:
        uri: the host's `URI`: `uri_url`; `uri_hash`, "md5:…" or "sha256:…", or "zenodo" for the md5 that the record on
            Zenodo states; `uri_tar`, whether it is an archive (a zip), which is unpacked.
        log: takes a line when something is fetched.

    Returns:
        the file, or the folder that an archive was unpacked into.

    Raises:
        WeightsError: it cannot be had, is not what the hash says, or would be unpacked outside its folder. Nothing
            is left behind then.
    """
    url = str(uri.uri_url)
    place = asset_cache() / hashlib.sha256(f"{url} {uri.uri_hash}".encode()).hexdigest()[:16]
    name = Path(urlsplit(url).path).name
    target = place / (Path(name).stem if uri.uri_tar else name)
    if target.exists():
        return target
    try:
        _refuse_offline()
        expected = _expected_hash(url, str(uri.uri_hash or ""))
        log(f"fetching {url} into {place}")
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix="partial-") as temporary:
            file = Path(temporary, name)
            _download(url, file, expected)
            if uri.uri_tar:
                file = _unpack(file, url)
            try:
                file.rename(target)
            except OSError:
                if not target.exists():  # else another job was faster: its files are as good
                    raise
    except WeightsError:
        raise
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{url} cannot be fetched ({error}); copy what it holds to this machine and name it in the option 'model'"
        ) from error
    return target


def _refuse_offline() -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise URLError("HF_HUB_OFFLINE is set")


def _expected_hash(url: str, stated: str) -> tuple[str, str]:
    """Algorithm and hexadecimal digits that a file must have."""
    if stated == "zenodo":
        parts = urlsplit(url)
        found = _ZENODO.search(parts.path)
        if found is None:
            raise ValueError("its hash is to be Zenodo's, but the address names no record")
        with urlopen(f"{parts.scheme}://{parts.netloc}/api/records/{found[1]}", timeout=TIMEOUT) as answer:
            entries = json.load(answer)["files"]
        stated = next((entry["checksum"] for entry in entries if entry["key"] == found[2]), "")
    algorithm, _, digits = stated.partition(":")
    if algorithm not in ("md5", "sha256") or not digits:
        raise ValueError(f"its hash {stated!r} is neither md5:… nor sha256:…")
    return algorithm, digits.lower()


def _download(url: str, file: Path, expected: tuple[str, str]) -> None:
    """Fetches a file block by block and compares its hash."""
    algorithm, digits = expected
    found = hashlib.new(algorithm, usedforsecurity=False)
    with urlopen(url, timeout=TIMEOUT) as answer, file.open("wb") as out:
        while block := answer.read(BLOCK):
            found.update(block)
            out.write(block)
    if found.hexdigest() != digits:
        raise WeightsError(
            f"{url} has the {algorithm} {found.hexdigest()}, {digits} is expected: damaged on its way, or not the "
            f"published file; it was not opened and is deleted; try again"
        )


def _unpack(archive: Path, url: str) -> Path:
    """The folder with the content of a zip, if none of it would lie outside."""
    folder = archive.parent / "content"
    with zipfile.ZipFile(archive) as content:
        for name in content.namelist():
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise WeightsError(f"{url} holds {name!r}, which would lie outside its folder; nothing was unpacked")
        content.extractall(folder)
    return folder
