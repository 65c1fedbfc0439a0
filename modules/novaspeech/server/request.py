"""A server's request for one session, parsed once: nothing behind this file sees the host's `SessionManager`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import Self

from novaspeech.audio.excerpt import Audio
from novaspeech.errors import RecordingError, RequestError
from novaspeech.server import host
from novaspeech.server.database import Database


class Times(NamedTuple):
    """The windows asked for, in ms; without a frame they are the module's own."""

    frame: int = 0
    stride: int = 0
    left: int = 0
    right: int = 0

    @property
    def rate(self) -> float:
        """Windows per second, in Hz."""
        return 1000 / max(1, self.stride)


_OF_THE_MODULE = Times()


@dataclass(frozen=True)
class Entry:
    """One input or output of a request.

    Attributes:
        origin: "file", "db", "url" or "request".
        kind: "stream" or "annotation", as a rule.
        subtype: "audio", "ssistream", "continuous", "discrete", "free", …; "" if the request names none.
        fields: what else the request says of it: src, scheme, role, annotator, name, classes, …
        path: its file, if one is named; of the database's streams that of an output.
        target: what an output is stored as, "annotation", "stream" or "file", and where; with "" for what is not said.
    """

    id: str
    origin: str = "file"
    kind: str = "stream"
    subtype: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    session: str = ""
    dataset: str = ""
    path: Path | None = None
    target: tuple[str, ...] = ()


class Request:
    """Request of a server for one session.

    Args:
        manager: the session's `SessionManager`.

    Attributes:
        inputs: id of each that is ticked → its entry.
        named: ids of all inputs, as messages list them.
        duration_ms: the session's in the database; 0 if it has none.

    Raises:
        RequestError: the host knows no such `src` as an entry has, or an output names no file.
    """

    def __init__(
        self, manager: Any, times: Times = _OF_THE_MODULE, start_ms: int = 0, end_ms: int = 0, duration_ms: int = 0
    ) -> None:
        self._manager = manager
        self.session, self.dataset = str(manager.session), str(manager.dataset)
        self.times, self.start_ms, self.end_ms, self.duration_ms = times, start_ms, end_ms, duration_ms
        inputs = [fields for fields in manager.data_description if fields.get("type") == "input"]
        self.named = [f"{one.get('id')}{'' if one.get('active', True) else ' (unticked)'}" for one in inputs]
        self.inputs = {entry.id: entry for entry in reversed(self._parsed("input"))}
        self.outputs = self._parsed("output")

    @classmethod
    def of(cls, provider: Any) -> Self:
        """The request of the host's `DatasetIterator` for one session."""
        session = provider.sessions[provider.session_names[0]]
        info = session["info"]
        times = Times(provider.frame_size, provider.stride, provider.left_context, provider.right_context)
        duration_ms = int(info.duration) if info and info.duration else 0
        return cls(session["manager"], times, provider.start, provider.end, duration_ms)

    @cached_property
    def database(self) -> Database:
        """The server's."""
        # Sources are members of one of the host's enumerations.
        contexts = {source.value: context for source, context in self._manager.source_context.items()}
        return Database(contexts.get("db", {}), self.dataset)

    @cached_property
    def audio(self) -> Audio:
        """The input `audio`: its file, or the samples that only the host has.

        Raises:
            RequestError: the request does not have it, or would replace it.
            RecordingError: the database knows no such stream, or the server no folder for its files.
        """
        return self.sound(self.audio_entry("audio"))

    def sound(self, entry: Entry) -> Audio:
        """The recording of another input, see `audio`."""
        path = self.input_path(entry)
        self.refuse_replacing(entry, path)
        return path or self._array(entry)

    def input_path(self, entry: Entry, session: str = "") -> Path | None:
        """The file of an input, of this session or another; None where the host has only an array (url, request)."""
        session = session or self.session
        if entry.origin == "db" and entry.kind == "stream":
            return self._database_path(entry, session)
        if entry.origin != "file" or (entry.path and session == self.session):
            return entry.path
        return host.file_path(entry.fields, self.dataset, session)

    def audio_entry(self, input_id: str) -> Entry:
        """The audio input of an id; RequestError if the request does not have it."""
        entry = self.inputs.get(input_id)
        if entry is None or entry.kind != "stream":
            named = ", ".join(map(repr, self.named)) or "none"
            raise RequestError(f"the request needs an audio input with the id {input_id!r}; its inputs are: {named}")
        return entry

    def refuse_replacing(self, used: Entry, path: Path | None) -> None:
        """Raises RequestError if an output would replace an input that is used: a person may have worked on it."""
        target = _target(used, path)
        for output in self.outputs:
            if all(target) and output.target == target:
                raise replaced(output.id, f"input {used.id!r}", target)

    def forget(self) -> None:
        """Lets go of what was written: du-process keeps all sessions of a job, with their outputs, until it ends."""
        self._manager.output_data_templates.clear()

    def _parsed(self, role: str) -> list[Entry]:
        """The entries that are ticked: inputs, or outputs with their places."""
        found = []
        for fields in self._manager.data_description:
            if fields.get("type") == role and fields.get("active", True):
                origin, kind, subtype = host.describe(fields)
                entry = Entry(str(fields.get("id")), origin, kind, subtype, fields, self.session, self.dataset)
                path = None
                if origin == "file" and (role == "output" or {"uri", "uri_template"} & fields.keys()):
                    path = host.file_path(fields, self.dataset, self.session)
                if role == "output" and (origin, kind) == ("db", "stream") and self.database.folder:
                    path = self._stored(self.database.folder, entry, self.session, "stream")
                target = _target(entry, path) if role == "output" else ()
                found.append(replace(entry, path=path, target=target))
        return found

    def _array(self, entry: Entry) -> tuple[Any, int]:
        """Samples (n, channels) or (n,) and rate in Hz of an input that is no file, as the host loads it."""
        # A session manager that loads this entry only; the request's keeps its own.
        part = type(self._manager)(self.dataset, [entry.fields], self.session, self._manager.source_context)
        part.load()
        data = part.input_data[entry.id]
        return data.data, int(data.meta_data.sample_rate)

    def _database_path(self, entry: Entry, session: str) -> Path:
        for key in ("name", "role"):
            if not entry.fields.get(key):
                raise RequestError(f"input {entry.id!r} needs a {key}; choose a stream and a role for it")
        name = entry.fields["name"]
        # The handler's own load() would read the header, too, of .wav, .mp3 and .mp4 only.
        document = self.database.find("Streams", name)
        if not document:
            raise RecordingError(f"the database has no stream {name!r} in dataset {self.dataset!r}")
        folder = self.database.folder
        if folder is None:
            raise RecordingError("the server was started without a folder for its data (--data_dir)")
        return self._stored(folder, entry, session, document["fileExt"])

    def _stored(self, folder: Path, entry: Entry, session: str, ending: str) -> Path:
        """The file of one of the database's streams."""
        return Path(folder, self.dataset, session, f"{entry.fields.get('role')}.{entry.fields.get('name')}.{ending}")


def _target(entry: Entry, path: Path | None) -> tuple[str, ...]:
    if entry.origin == "db":
        keys = ("scheme", "role", "annotator") if entry.kind == "annotation" else ("name", "role")
        return (entry.kind, *(f"{key} {entry.fields[key]}" if entry.fields.get(key) else "" for key in keys))
    return ("file", str(path.resolve()) if path else "")


def replaced(output_id: str, what: str, target: tuple[str, ...]) -> RequestError:
    """The error of an output that would replace something else: another output, or an input."""
    remedy = {
        "annotation": "choose another scheme for one of them, or untick it",
        "stream": "give one of them another name, or untick it",
        "file": "give one of them another file",
    }[target[0]]
    return RequestError(f"output {output_id!r} would replace {what} ({', '.join(target[1:])}); {remedy}")
