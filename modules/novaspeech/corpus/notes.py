"""Names of records, and what those read of them who look at results."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from novaspeech.module.catalogue import load_trainer, module_names, processor_class


def file_of(name: str, module: str) -> str:
    """Name of a recording's record."""
    return f".{name}.{module}.json"


def parsed(content: bytes | None) -> dict[str, Any]:
    """Content of a record; none of what is no JSON object."""
    with suppress(ValueError, RecursionError):
        found = json.loads(content or b"")
        if isinstance(found, dict):
            return found
    return {}


def remembered(folder: Path, name: str) -> tuple[Path | None, dict[str, float], dict[str, dict[str, Any]]]:
    """Facts of the records of a recording whose name is `name`, for those who look at its results.

    Returns:
        where it was, if it still is there; id of each output of scores → from which one on something was taken to be
        so; module → its record
    """
    recording: Path | None = None
    thresholds: dict[str, float] = {}
    records: dict[str, dict[str, Any]] = {}
    for module in module_names():
        file = folder / file_of(name, module)
        known = parsed(file.read_bytes() if file.is_file() else None)
        records |= {module: known} if known else {}
        place = Path(str(known.get("recording", "")))
        recording = place if place.is_absolute() and place.is_file() else recording
        threshold = known.get("threshold")
        if isinstance(threshold, (int, float)):
            outputs = processor_class(load_trainer(module)).outputs
            thresholds |= {one.id: float(threshold) for one in outputs if one.subtype == "continuous"}
    return recording, thresholds, records
