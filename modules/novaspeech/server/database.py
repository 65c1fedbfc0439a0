"""NOVA's database, as a session's request reaches it through the host's handlers."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError, first_line
from novaspeech.segments import Segment
from novaspeech.server import host

_handlers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def find(manager: Any, collection: str, name: object) -> Mapping[str, Any] | None:
    """What the database holds under a name, None if nothing.

    Args:
        manager: the session's `SessionManager`.
        collection: "Annotators", "Roles", "Schemes", "Sessions" or "Streams".
    """
    found: Mapping[str, Any] | None = _collections(manager)[collection].find_one({"name": name})
    return found


def annotators(manager: Any, session: str, scheme: str, role: str) -> list[str]:
    """Names of those who annotated a session with a scheme and a role."""
    collections = _collections(manager)
    wanted = _ids(manager, session=session, scheme=scheme, role=role)
    people = [entry["annotator_id"] for entry in collections["Annotations"].find(wanted)]
    return sorted(str(person["name"]) for person in collections["Annotators"].find({"_id": {"$in": people}}))


def is_locked(manager: Any, scheme: str, role: str, annotator: str) -> bool:
    """Whether the session has such an annotation, and somebody locked it in NOVA: the host will not replace it."""
    wanted = _ids(manager, session=manager.session, scheme=scheme, role=role, annotator=annotator)
    return bool((_collections(manager)["Annotations"].find_one(wanted) or {}).get("isLocked"))


def labels(manager: Any, session: str, scheme: str, role: str, annotator: str) -> list[Segment]:
    """The segments of a discrete or free annotation.

    Raises:
        RequestError: there is no such annotation, or it is continuous.
    """
    what = f"annotation with scheme {scheme!r}, role {role!r} and annotator {annotator!r} in session {session!r}"
    try:
        annotation = _handler(manager).load(
            dataset=manager.dataset, scheme=scheme, session=session, annotator=annotator, role=role
        )
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise RequestError(f"the database has no {what} ({first_line(error)})") from error
    return host.segments_of(annotation, f"the {what}")


def data_folder(manager: Any) -> Path | None:
    """The server's folder for data (its `--data_dir`), None if it was started without."""
    folder = _context(manager).get("data_dir")
    return Path(folder) if folder else None


def _ids(manager: Any, **names: str) -> dict[str, Any]:
    """The database's ids of a session, scheme, role or annotator, by the names of their fields in an annotation."""
    found = {kind: find(manager, f"{kind.capitalize()}s", name) for kind, name in names.items()}
    return {f"{kind}_id": (document or {}).get("_id") for kind, document in found.items()}


def _context(manager: Any) -> Mapping[str, Any]:
    """What the server knows about its database."""
    return next((value for key, value in manager.source_context.items() if key.value == "db"), {})


def _collections(manager: Any) -> Any:
    """Those of the session's dataset."""
    return _handler(manager).client[manager.dataset]


def _handler(manager: Any) -> Any:
    """The host's `AnnotationHandler`, one for a session, since each connects to the database by itself."""
    if manager not in _handlers:
        _handlers[manager] = host.module("data.handler.nova_db_handler").AnnotationHandler(**_context(manager))
    return _handlers[manager]
