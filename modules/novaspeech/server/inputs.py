"""The sound and the texts that a request names: its recording, and what is to be heard besides it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from novaspeech.audio.excerpt import Excerpt, Opener
from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError, RequestError, naming
from novaspeech.segments import Segment, plain_name
from novaspeech.server import host
from novaspeech.server.request import Request
from novaspeech.wording import NOVA, Wording

FILES = "NOVASPEECH_FILES"  # environment variable: which files a request may name in its options

_KEYS = ("label", "scheme", "role", "annotator", "session", "stream", "from", "to")
_KEY = rf"(?:{'|'.join(_KEYS)})\s*="
_FORMS = (
    "a file on the server; label=teacher, scheme=turns, annotator=anna for what an annotation labels so; or "
    "session=monday, from=10s, to=25s"
)


@dataclass(frozen=True)
class RequestInputs:
    """Inputs of a session on a server.

    Attributes:
        recording: the session's own, if it is heard as further sound is: all channels mixed.
    """

    request: Request
    open_audio: Opener
    recording: Recording | None
    wording: Wording = NOVA

    def excerpt(self, option: str, place: str, input_id: str) -> Excerpt:
        """Sound that a job needs besides a session's recording; `place` is one of `_FORMS`.

        Raises:
            OptionError: the option's value means nothing.
            RequestError, RecordingError: it is not there, or cannot be read.
        """
        if not place:
            return self._excerpt_of_input(option, input_id)
        fields = parse_place(option, place)
        with naming(f"option {option!r}"):
            if fields is None:
                return self._whole(self._allowed_file(place))
            return self._labelled(fields) if "label" in fields else self._timed(fields)

    def labels(self, option: str, place: str, input_id: str) -> Path | list[Segment]:
        """Labels about a session's recording: a file, or the segments of an annotation in the database."""
        if place:
            with naming(f"option {option!r}"):
                return self._allowed_file(place)
        with naming(f"input {input_id!r}", f"; or name a file in {option!r}"):
            return self._labels_of_input(input_id)

    def _whole(self, file: Path) -> Excerpt:
        if self.recording and file == self.request.audio:
            return Excerpt(self.recording)  # decoded already
        return Excerpt(self.open_audio(file, str(file)))

    def _labels_of_input(self, input_id: str) -> Path | list[Segment]:
        request = self.request
        entry = request.inputs.get(input_id)
        if entry is None:
            raise RequestError("the request does not have it")
        path = request.input_path(entry)
        request.refuse_replacing(entry, path)
        if entry.origin != "db":
            if path is None:
                raise RequestError("it must be a file, or an annotation in the database")
            return path
        said = entry.fields
        missing = [key for key in ("scheme", "role", "annotator") if not said.get(key)]
        if missing:
            raise RequestError(f"no {' and no '.join(missing)} is chosen")
        return request.database.labels(request.session, said["scheme"], said["role"], said["annotator"])

    def _excerpt_of_input(self, option: str, input_id: str) -> Excerpt:
        """The input, unless it is the recording itself: NOVA chooses a stream for each input, wanted or not."""
        remedy = f"choose a stream for it, or say in the option {option!r} where to hear it: {_FORMS}"
        with naming(f"input {input_id!r}", f"; {remedy}"):
            audio = self.request.sound(self.request.audio_entry(input_id))
        if isinstance(audio, Path) and audio == self.request.audio:
            raise RequestError(f"input {input_id!r} is the recording itself; {remedy}")
        with naming(f"input {input_id!r}", f"; {remedy}"):
            return Excerpt(self.open_audio(audio, f"input {input_id!r}"))

    def _labelled(self, fields: Mapping[str, str]) -> Excerpt:
        """Spans that an annotation labels so, of this session or of another one."""
        request, database = self.request, self.request.database
        session, scheme = fields.get("session", request.session), fields["scheme"]
        role = fields.get("role") or str(request.audio_entry("audio").fields.get("role", ""))
        annotator = fields.get("annotator")
        if annotator is None:
            people = database.annotators(session, scheme, role)
            if len(people) != 1:
                whose = f"; say whose: annotator={' or '.join(people)}" if people else ""
                count = f"{len(people) or 'no'} annotations"
                raise RequestError(f"session {session!r} has {count} of scheme {scheme!r} and role {role!r}{whose}")
            [annotator] = people
        segments = database.labels(session, scheme, role, annotator)
        label = plain_name(fields["label"])
        spans = tuple((one.start_ms, one.end_ms) for one in segments if plain_name(one.name) == label)
        if not spans:
            there = sorted({one.name for one in segments})[:10]
            raise RequestError(
                f"{annotator}'s annotation of scheme {scheme!r} in session {session!r} labels nothing "
                f"{fields['label']!r}; its labels are: {', '.join(map(repr, there)) or 'none'}"
            )
        return replace(self._whole(self._file_of(session, fields)), spans=spans, label=fields["label"])

    def _timed(self, fields: Mapping[str, str]) -> Excerpt:
        """A time of this session or of another one."""
        excerpt = self._whole(self._file_of(fields.get("session", self.request.session), fields))
        start = host.parse_time(fields.get("from", "0ms"), "from")
        end = host.parse_time(fields["to"], "to") if "to" in fields else excerpt.recording.duration_ms
        if not 0 <= start < end:
            raise RequestError(f"from {start} ms to {end} ms is no time; from must be before to")
        return replace(excerpt, spans=((start, end),))

    def _file_of(self, session: str, fields: Mapping[str, str]) -> Path:
        """The input `audio` of a session, or another of its streams."""
        if Path(session).name != session or "\\" in session:
            raise RequestError(f"{session!r} is no name of a session")
        audio = self.request.audio_entry("audio")
        changed = {"name": fields["stream"]} if "stream" in fields else {}
        if "role" in fields and "label" not in fields:
            changed["role"] = fields["role"]
        path = self.request.input_path(replace(audio, fields={**audio.fields, **changed}), session)
        if path is None or (session != self.request.session and path == self.request.audio):
            raise RequestError(f"the request does not say where the recording of session {session!r} is, only its own")
        return path

    def _allowed_file(self, text: str) -> Path:
        """A file on the server that a request may read: below its data folder, or where `FILES` allows it."""
        request, data = self.request, self.request.database.folder
        given = Path(text.replace("\\", "/") if os.sep == "/" else text)
        folders = [data / request.dataset / request.session, data / request.dataset, data] if data else []
        path = next((folder / given for folder in folders if (folder / given).is_file()), given)
        allowed = os.environ.get(FILES, "")
        roots = [*([data] if data else []), *(Path(root) for root in allowed.split(os.pathsep) if root)]
        if allowed != "any" and not any(path.resolve().is_relative_to(root.resolve()) for root in roots):
            raise RequestError(
                f"{text} is not below the server's data folder ({data.resolve() if data else 'it has none'}); copy it "
                f"there, or let the person at the server name its folder in {FILES}"
            )
        return path


def is_file(place: str) -> bool:
    """Whether an option that says where something is to be heard names a file, not fields as label=…, session=…."""
    return not re.match(rf"\s*{_KEY}", place)


def parse_place(option: str, place: str) -> dict[str, str] | None:
    """The fields of an option that says where something is to be heard, None if it is a file; else OptionError."""
    if is_file(place):
        return None
    fields: dict[str, str] = {}
    for part in re.split(rf",\s*(?={_KEY})", place):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if not value or key in fields:
            raise OptionError(f"option {option!r} has {key}= {'twice' if key in fields else 'without a value'}")
        fields[key] = value
    timed = {"from", "to"} & set(fields)
    if "label" in fields and ("scheme" not in fields or timed):
        raise OptionError(f"option {option!r} is {place!r}; with label= a scheme= is needed, and no from= or to=")
    if "label" not in fields and ({"scheme", "annotator"} & set(fields) or not timed | ({"session"} & set(fields))):
        raise OptionError(f"option {option!r} is {place!r}; write {_FORMS}")
    return fields
