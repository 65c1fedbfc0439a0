"""How NOVA reads a database and the files beside it, as its source (1.3.0.6) has it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import bson
from discover_utils.data.handler.file_handler import FileHandler


def names_in(database: Any, collection: str, kind: str = "") -> list[str]:
    """Names in a collection whose type contains a word; invalid ones are not shown."""
    documents = [it for it in database[collection].find({}) if it.get("isValid", True)]
    return sorted((it["name"] for it in documents if kind.upper() in str(it.get("type", "")).upper()), key=str.casefold)


class Label(NamedTuple):
    """A row of an annotation: seconds, and a class, a text or a score."""

    start: float
    stop: float
    value: str | float
    confidence: float


def write_annotation(
    database: Any, session: str, scheme: str, role: str, annotator: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """An annotation as NOVA stores it, of labels without a confidence that of a person."""
    names = {"session": session, "scheme": scheme, "role": role, "annotator": annotator}
    ids = {f"{key}_id": database[f"{key.capitalize()}s"].find_one({"name": name})["_id"] for key, name in names.items()}
    data = database["AnnotationData"].insert_one({"labels": [{"conf": 1.0, **row} for row in rows]})
    database["Annotations"].insert_one({**ids, "data_id": data.inserted_id, "isFinished": False, "isLocked": False})


def read_annotation(database: Any, session: str, scheme: str, role: str, annotator: str) -> list[Label]:
    """An annotation as NOVA loads it; none if the database has none."""
    wanted = {"Sessions": session, "Schemes": scheme, "Roles": role, "Annotators": annotator}
    found = {name: database[name].find_one({"name": value}) for name, value in wanted.items()}
    keys = {f"{name[:-1].lower()}_id": document["_id"] for name, document in found.items() if document}
    entry = database["Annotations"].find_one(keys)
    if not entry:
        return []
    rows = database["AnnotationData"].find_one({"_id": entry["data_id"]})["labels"]
    drawn = found["Schemes"]
    if drawn["type"] == "CONTINUOUS":
        rate = float(drawn["sr"])
        return [
            Label(place / rate, (place + 1) / rate, float(row["score"]), float(row["conf"]))
            for place, row in enumerate(rows)
        ]
    classes = {label["id"]: label["name"] for label in drawn.get("labels", [])}
    # NOVA takes ids for 32-bit numbers, and fails on wider ones.
    assert not any(isinstance(row.get("id"), bson.Int64) for row in rows)
    labels = [
        Label(float(row["from"]), float(row["to"]), row.get("name", classes.get(row.get("id"))), float(row["conf"]))
        for row in rows
    ]
    return sorted(labels, key=lambda label: label.start)


def read_stream(database: Any, data_dir: Path, session: str, name: str, role: str) -> Any:
    """A stream as NOVA loads it: the database says which file it is."""
    extension = database["Streams"].find_one({"name": name})["fileExt"]
    return FileHandler().load(data_dir / database.name / session / f"{role}.{name}.{extension}")
