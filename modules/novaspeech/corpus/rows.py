"""Which recordings a corpus has: folders, patterns, lists and manifests, on this machine or at URLs."""

from __future__ import annotations

import csv
import itertools
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from novaspeech.audio.recording import ENDINGS
from novaspeech.batch.inputs import find_recordings
from novaspeech.errors import PackageError, RequestError, first_line, require
from novaspeech.hooks import Log

_MANIFESTS = (".jsonl", ".jsonl.gz", ".csv", ".tsv", ".parquet")
# Where a row says which recording it means: NeMo, the Hub's audio folders, audformat, Common Voice.
_PLACES = ("audio_filepath", "file_name", "file", "path")
_BYTES_PER_SECOND = 32_000  # of 16-bit sound at 16 kHz: makes sizes comparable with a manifest's durations


@dataclass(frozen=True)
class Row:
    """A recording of a corpus.

    Attributes:
        id: names it and its results; a relative path with "/".
        place: its file or URL.
        size: how long it will take in comparison with others: its seconds if a manifest says so, else guessed from its
            bytes; 0 if nobody knows.
    """

    id: str
    place: str
    size: float = 0.0


def read_rows(entries: Sequence[str], log: Log) -> list[Row]:
    """The recordings that entries of a command name, the longest first.

    Args:
        entries: what `find_recordings` takes; URLs that fsspec knows of files, folders and patterns; manifests, here or
            at URLs: JSON lines of NeMo (`audio_filepath`) or lhotse (`sources`), CSV (`file_name`, `file`, `path`),
            Parquet, audformat's tables. A relative path in a manifest begins at its folder.
        log: takes a line for each folder: what was left out in it.

    Raises:
        RequestError: an entry or a row of a manifest is of no use, or two recordings have one id.
        PackageError: a package for the URL's kind or for Parquet is missing.
    """
    rows: dict[str, Row] = {}
    for entry in entries:
        for row in _of_entry(entry, log):
            other = rows.setdefault(row.id, row)
            if other is not row and other.place != row.place:
                raise RequestError(
                    f"{other.place} and {row.place} have one id, {row.id!r}, and would give the same files; name "
                    f"ids in a manifest, or run them apart"
                )
            if other is not row:
                raise RequestError(f"{row.place} is named twice; a corpus has each recording once")
    return sorted(rows.values(), key=lambda row: (-row.size, row.id))


def is_url(place: str) -> bool:
    """Whether a place is fsspec's to open, and not a path of this machine."""
    return "://" in place


def _of_entry(entry: str, log: Log) -> Iterator[Row]:
    if entry.lower().endswith(_MANIFESTS):
        yield from _in_manifest(entry)
    elif is_url(entry):
        yield from _at_url(entry, log)
    else:
        for found in find_recordings([entry], log):
            file = str(found.file.absolute())
            yield Row(_checked_id((found.below / found.file.stem).as_posix(), entry), file, _size_of(file))


def _at_url(entry: str, log: Log) -> Iterator[Row]:
    """A file, the recordings below a folder, or what matches a pattern."""
    filesystem, root = opened(entry)
    try:
        if any(sign in root for sign in "*?["):
            found = filesystem.glob(root, detail=True)
            root = root[: min(root.find(sign) for sign in "*?[" if sign in root)].rpartition("/")[0]
        elif filesystem.isdir(root):
            found = filesystem.find(root, detail=True)
        else:
            found, root = {root: filesystem.info(root)}, posixpath.dirname(root)
    except FileNotFoundError as error:
        raise RequestError(f"there is no {entry}") from error
    files = {path: about for path, about in found.items() if about["type"] == "file"}
    kept = {path: about for path, about in files.items() if PurePosixPath(path).suffix.lower() in ENDINGS}
    if not kept:
        raise RequestError(f"{entry} holds no recordings; they are known by their endings, as .wav or .mp4")
    if len(kept) < len(files):
        log(f"{entry}: {len(kept)} recordings; left out {len(files) - len(kept)} others")
    for path, about in sorted(kept.items()):
        name = posixpath.splitext(posixpath.relpath(path, root))[0]
        size = (about.get("size") or 0) / _BYTES_PER_SECOND
        yield Row(_checked_id(name, entry), filesystem.unstrip_protocol(path), size)


def _in_manifest(manifest: str) -> Iterator[Row]:
    listed = list(_listed(manifest))
    if not listed:
        raise RequestError(f"{manifest} lists no recordings")
    absolute = {place for _, place, _ in listed if is_url(place) or Path(place).is_absolute()}
    shared = _shared_folders(absolute)
    for given, place, seconds in listed:
        parts = _parts(place)[shared if place in absolute else 0 :]
        name = given or posixpath.splitext("/".join(parts))[0]
        if is_url(place):
            whole = place
        elif is_url(manifest):
            whole = posixpath.join(posixpath.dirname(manifest), place)
        else:
            whole = str(Path(manifest).expanduser().absolute().parent / Path(place).expanduser())
        yield Row(_checked_id(name, manifest), whole, seconds or _size_of(whole))


def _size_of(place: str) -> float:
    """Of a file on this machine; at a URL a question for each row would take too long."""
    return Path(place).stat().st_size / _BYTES_PER_SECOND if not is_url(place) and Path(place).is_file() else 0.0


def _listed(manifest: str) -> Iterator[tuple[str, str, float]]:
    """Id, place and seconds of each row, "" and 0 where it says nothing."""
    for number, row in enumerate(_rows_of(manifest), 1):
        sources = row.get("sources")
        found = next((row[key] for key in _PLACES if row.get(key)), None)
        if isinstance(sources, list):  # lhotse
            only = len(sources) == 1 and isinstance(sources[0], Mapping) and sources[0].get("type", "file") != "memory"
            found = sources[0].get("source") if only else None
        if not isinstance(found, str) or not found.strip():
            raise RequestError(
                f"row {number} of {manifest} names no recording; it has {', '.join(map(str, row)) or 'nothing'}, and "
                f"needs one of {', '.join(_PLACES)}, or one file in lhotse's sources"
            )
        try:
            seconds = float(row.get("duration") or 0)
        except (TypeError, ValueError):
            seconds = 0.0
        yield str(row.get("id") or "").strip(), found.strip(), seconds if 0 < seconds < float("inf") else 0.0


def _rows_of(manifest: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a manifest as they stand.

    Raises:
        RequestError: it cannot be read.
    """
    ending = manifest.lower().removesuffix(".gz").rpartition(".")[2]
    try:
        if ending == "parquet":
            yield from _rows_of_parquet(manifest)
            return
        with fsspec.open(manifest, "rt", encoding="utf-8-sig", newline="", compression="infer") as lines:
            if ending == "jsonl":
                yield from _rows_of_json(lines, manifest)
            else:
                yield from csv.DictReader(lines, delimiter="\t" if ending == "tsv" else ",")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"the manifest {manifest} cannot be read: {first_line(error)}") from error


def _rows_of_json(lines: Iterable[str], manifest: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"line {number} of {manifest} is no JSON: {first_line(error)}") from error
        if not isinstance(row, dict):
            raise RequestError(f"line {number} of {manifest} is no JSON object, as {{'audio_filepath': 'a.wav'}} is")
        yield row


def _rows_of_parquet(manifest: str) -> Iterator[Mapping[str, Any]]:
    with require("Parquet needs pyarrow", "novaspeech[formats]"):
        from pyarrow import ArrowInvalid, parquet
    try:
        with fsspec.open(manifest, "rb") as content:
            yield from parquet.read_table(content).to_pylist()
    except ArrowInvalid as error:
        raise RequestError(f"the manifest {manifest} cannot be read: {first_line(error)}") from error


def _shared_folders(places: Iterable[str]) -> int:
    """How many folders, from the first, all of these are in."""
    folders = zip(*(_parts(place)[:-1] for place in places), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda names: len(set(names)) == 1, folders))


def _parts(place: str) -> list[str]:
    return (place if is_url(place) else Path(place).as_posix()).split("/")


def _checked_id(name: str, where: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise RequestError(f"{where} has the id {name!r}; a relative path is needed, as session1/anna")
    return str(PurePosixPath(name))


def opened(url: str) -> tuple[Any, str]:
    """The file system of a URL or path, and the path in it.

    Raises:
        PackageError: a package for its kind is missing.
        RequestError: there is no such kind.
    """
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise PackageError(f"{url} needs a package more: {first_line(error)}") from error
    except ValueError as error:
        raise RequestError(f"{url} cannot be opened: {first_line(error)}") from error
    return filesystem, path
