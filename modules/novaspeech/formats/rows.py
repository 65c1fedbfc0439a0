"""Rows of tables that people make: CSV, TSV, Parquet and JSON lines, here or at a URL."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import fsspec

from novaspeech.errors import RequestError, first_line, require


def rows_of(file: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a table as they stand, by the ending of its name; RequestError if it cannot be read."""
    ending = file.lower().removesuffix(".gz").rpartition(".")[2]
    try:
        if ending == "parquet":
            yield from _rows_of_parquet(file)
            return
        with fsspec.open(file, "rt", encoding="utf-8-sig", newline="", compression="infer") as lines:
            if ending == "jsonl":
                yield from _rows_of_json(lines, file)
            else:
                yield from csv.DictReader(lines, delimiter="\t" if ending == "tsv" else ",")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{file} cannot be read: {first_line(error)}") from error


def _rows_of_json(lines: Iterable[str], file: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"line {number} of {file} is no JSON: {first_line(error)}") from error
        if not isinstance(row, dict):
            raise RequestError(f"line {number} of {file} is no JSON object, as {{'audio_filepath': 'a.wav'}} is")
        yield row


def _rows_of_parquet(file: str) -> Iterator[Mapping[str, Any]]:
    with require("Parquet needs pyarrow", "novaspeech[formats]"):
        from pyarrow import ArrowInvalid, parquet
    try:
        with fsspec.open(file, "rb") as content:
            yield from parquet.read_table(content).to_pylist()
    except ArrowInvalid as error:
        raise RequestError(f"{file} cannot be read: {first_line(error)}") from error
