"""NOVA's database, as a session's request reaches it through the host's handlers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from novaspeech.errors import RequestError, first_line
from novaspeech.segments import Segment
from novaspeech.server import host, package


class Database:
    """One dataset; `context` is what the server knows about its database, empty without one."""

    def __init__(self, context: Mapping[str, Any], dataset: str) -> None:
        self._context = context
        self.dataset = dataset

    @property
    def folder(self) -> Path | None:
        """The server's folder for data (its `--data_dir`), None if it was started without."""
        folder = self._context.get("data_dir")
        return Path(folder) if folder else None

    def find(self, collection: str, name: object) -> Mapping[str, Any] | None:
        """Entry of a collection, such as "Roles" or "Streams", under a name; None without one."""
        found: Mapping[str, Any] | None = self._collections[collection].find_one({"name": name})
        return found

    def annotators(self, session: str, scheme: str, role: str) -> list[str]:
        """Names of those who annotated a session with a scheme and a role."""
        wanted = self._ids(session=session, scheme=scheme, role=role)
        people = [entry["annotator_id"] for entry in self._collections["Annotations"].find(wanted)]
        return sorted(str(person["name"]) for person in self._collections["Annotators"].find({"_id": {"$in": people}}))

    def is_locked(self, session: str, scheme: str, role: str, annotator: str) -> bool:
        """Whether there is such an annotation, and somebody locked it in NOVA: the host will not replace it."""
        wanted = self._ids(session=session, scheme=scheme, role=role, annotator=annotator)
        return bool((self._collections["Annotations"].find_one(wanted) or {}).get("isLocked"))

    def labels(self, session: str, scheme: str, role: str, annotator: str) -> list[Segment]:
        """The segments of a discrete or free annotation; RequestError if there is no such annotation."""
        what = f"annotation with scheme {scheme!r}, role {role!r} and annotator {annotator!r} in session {session!r}"
        try:
            annotation = self._handler.load(
                dataset=self.dataset, scheme=scheme, session=session, annotator=annotator, role=role
            )
        except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
            raise RequestError(f"the database has no {what} ({first_line(error)})") from error
        return host.segments_of(annotation, f"the {what}")

    def _ids(self, **names: str) -> dict[str, Any]:
        """The database's ids of a session, scheme, role or annotator, by the names of their fields in an annotation."""
        found = {kind: self.find(f"{kind.capitalize()}s", name) for kind, name in names.items()}
        return {f"{kind}_id": (document or {}).get("_id") for kind, document in found.items()}

    @cached_property
    def _handler(self) -> Any:
        """The host's `AnnotationHandler`, one for a session, since each connects to the database by itself."""
        return package.module("data.handler.nova_db_handler").AnnotationHandler(**self._context)

    @property
    def _collections(self) -> Any:
        """Those of the dataset."""
        return self._handler.client[self.dataset]
