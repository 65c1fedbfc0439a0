"""Manifests: files that list recordings, with a row for each."""

from __future__ import annotations

import csv
import json
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec

from novaspeech.corpus.store import is_url
from novaspeech.errors import RequestError, first_line, require

MANIFESTS = (".jsonl", ".jsonl.gz", ".csv", ".tsv", ".parquet")
# Columns of the recording: NeMo, the Hub's audio folders, audformat, Common Voice.
_PLACES = ("audio_filepath", "file_name", "file", "path")


def listed_in(manifest: str) -> Iterator[tuple[str, str, float]]:
    """Id, place and seconds of each recording of a manifest, a file here or at a URL.

    It is JSON lines of NeMo (`audio_filepath`) or lhotse (`sources`), CSV or Parquet with a column `file_name`, `file`
    (audformat's tables) or `path`. Relative paths begin at its folder. `id` and `duration` are taken where they are
    there; else the id is the path below the folder that all share, and the seconds are 0.

    Raises:
        RequestError: it cannot be read, lists nothing, or a row names no recording.
        PackageError: a package for the URL's kind or for Parquet is missing.
    """
    found = [_of_row(number, row, manifest) for number, row in enumerate(_rows_of(manifest), 1)]
    if not found:
        raise RequestError(f"{manifest} lists no recordings")
    absolute = {place for _, place, _ in found if is_url(place) or Path(place).is_absolute()}
    shared = len(os.path.commonprefix([_parts(place)[:-1] for place in absolute]))  # noqa: RUF071 - of lists
    for given, place, seconds in found:
        parts = _parts(place)[shared if place in absolute else 0 :]
        if is_url(place):
            whole = place
        elif is_url(manifest):
            whole = posixpath.join(posixpath.dirname(manifest), place)
        else:
            whole = str(Path(manifest).expanduser().absolute().parent / Path(place).expanduser())
        yield given or posixpath.splitext("/".join(parts))[0], whole, seconds


def _of_row(number: int, row: Mapping[str, Any], manifest: str) -> tuple[str, str, float]:
    """The values of a row, with "" and 0 where it says nothing."""
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
    return str(row.get("id") or "").strip(), found.strip(), seconds if 0 < seconds < float("inf") else 0.0


def _rows_of(manifest: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a manifest as they stand."""
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


def _parts(place: str) -> list[str]:
    return (place if is_url(place) else Path(place).as_posix()).split("/")
