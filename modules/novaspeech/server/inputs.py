"""The sound that a request names: its recordings, and what is to be heard besides them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from novaspeech.audio.excerpt import Excerpt
from novaspeech.audio.recording import Recording
from novaspeech.errors import NovaspeechError, OptionError, RequestError
from novaspeech.segments import Segment, plain_name
from novaspeech.server import database, host, places

FILES = "NOVASPEECH_FILES"  # environment variable: which files a request may name in its options

_KEYS = ("label", "scheme", "role", "annotator", "session", "stream", "from", "to")
_KEY = rf"(?:{'|'.join(_KEYS)})\s*="
_FORMS = (
    "a file on the server; label=teacher, scheme=turns, annotator=anna for what an annotation labels so; or "
    "session=monday, from=10s, to=25s"
)


def missing_input(input_id: str, there: Sequence[str]) -> RequestError:
    """The error of a request without an audio input that it needs."""
    named = ", ".join(map(repr, there)) or "none"
    return RequestError(f"the request needs an audio input with the id {input_id!r}; its inputs are: {named}")


def open_recording(manager: Any, input_id: str, rate: int) -> Recording:
    """The audio input `input_id` of a session on a server, at `rate` Hz.

    Raises:
        RequestError: the request has no such input, or would replace it.
        RecordingError: it cannot be read.
    """
    entry = _audio_entry(manager, input_id)
    places.refuse_replacing(manager, entry)
    path = places.input_path(manager, entry)
    if path is not None:
        return Recording.open(path, rate)
    samples, own_rate = places.input_array(manager, entry)
    return Recording.of_samples(samples, own_rate, f"input {input_id!r}", rate)


def open_excerpt(manager: Any, rate: int, option: str, place: str, input_id: str) -> Excerpt:
    """Sound that a job needs besides a session's recording.

    Args:
        manager: the session's `SessionManager`.
        rate: of the signal, in Hz.
        option: the option that says where it is.
        place: its value, one of `_FORMS`; empty means the input.
        input_id: the input that holds it otherwise.

    Raises:
        OptionError: the option's value means nothing.
        RequestError, RecordingError: it is not there, or cannot be read.
    """
    if not place:
        return _excerpt_of_input(manager, rate, option, input_id)
    fields = parse_place(option, place)
    try:
        if fields is None:
            return Excerpt(Recording.open(_allowed_file(manager, place), rate))
        if "label" in fields:
            return _labelled(manager, rate, fields)
        return _timed(manager, rate, fields)
    except NovaspeechError as error:
        error.args = (f"option {option!r}: {error}",)
        raise


def open_labels(manager: Any, option: str, place: str, input_id: str) -> Path | list[Segment]:
    """What somebody wrote about a session's recording: a file, or the segments of an annotation in the database.

    Args:
        option, place: the option that says which file, and its value; empty means the input.
        input_id: the input that names it otherwise.

    Raises:
        RequestError: it is not there, or an output would replace it.
    """
    try:
        if place:
            return _allowed_file(manager, place)
        entry = _entry(manager, input_id)
        if entry is None:
            raise RequestError("the request does not have it")
        places.refuse_replacing(manager, entry)
        if host.describe(entry)[0] != "db":
            path = places.input_path(manager, entry)
            if path is None:
                raise RequestError("it must be a file, or an annotation in the database")
            return path
        missing = [key for key in ("scheme", "role", "annotator") if not entry.get(key)]
        if missing:
            raise RequestError(f"no {' and no '.join(missing)} is chosen")
        return database.labels(manager, manager.session, entry["scheme"], entry["role"], entry["annotator"])
    except NovaspeechError as error:
        what = f"option {option!r}: {error}" if place else f"input {input_id!r}: {error}; or name a file in {option!r}"
        error.args = (what,)
        raise


def parse_place(option: str, place: str) -> dict[str, str] | None:
    """The fields of an option that says where something is to be heard, None if it is a file.

    Raises:
        OptionError: a field is empty or there twice, or they do not go together.
    """
    if not re.match(rf"\s*{_KEY}", place):
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


def _entry(manager: Any, input_id: str) -> host.Description | None:
    """The request's entry of an input; None if it has none, or has it unticked."""
    inputs = (entry for entry in manager.data_description if entry.get("type") == "input")
    return next((entry for entry in inputs if entry.get("id") == input_id and entry.get("active", True)), None)


def _audio_entry(manager: Any, input_id: str) -> host.Description:
    entry = _entry(manager, input_id)
    if entry is None or host.describe(entry)[1] != "stream":
        inputs = [entry for entry in manager.data_description if entry.get("type") == "input"]
        there = [f"{entry.get('id')}{'' if entry.get('active', True) else ' (unticked)'}" for entry in inputs]
        raise missing_input(input_id, there)
    return entry


def _excerpt_of_input(manager: Any, rate: int, option: str, input_id: str) -> Excerpt:
    """The input, unless it is the recording itself: NOVA chooses a stream for each input, wanted or not."""
    remedy = f"choose a stream for it, or say in the option {option!r} where to hear it: {_FORMS}"
    try:
        excerpt = Excerpt(open_recording(manager, input_id, rate))
    except NovaspeechError as error:
        error.args = (f"input {input_id!r}: {error}; {remedy}",)
        raise
    if excerpt.recording.name == str(places.input_path(manager, _audio_entry(manager, "audio"))):
        raise RequestError(f"input {input_id!r} is the recording itself; {remedy}")
    return excerpt


def _labelled(manager: Any, rate: int, fields: Mapping[str, str]) -> Excerpt:
    """What an annotation labels so, of this session or of another one."""
    session, scheme = fields.get("session", manager.session), fields["scheme"]
    role = fields.get("role") or str(_audio_entry(manager, "audio").get("role", ""))
    annotator = fields.get("annotator")
    if annotator is None:
        people = database.annotators(manager, session, scheme, role)
        if len(people) != 1:
            whose = f"; say whose: annotator={' or '.join(people)}" if people else ""
            count = f"{len(people) or 'no'} annotations"
            raise RequestError(f"session {session!r} has {count} of scheme {scheme!r} and role {role!r}{whose}")
        [annotator] = people
    segments = database.labels(manager, session, scheme, role, annotator)
    label = plain_name(fields["label"])
    spans = tuple((one.start_ms, one.end_ms) for one in segments if plain_name(one.name) == label)
    if not spans:
        there = sorted({one.name for one in segments})[:10]
        raise RequestError(
            f"{annotator}'s annotation of scheme {scheme!r} in session {session!r} labels nothing {fields['label']!r}; "
            f"its labels are: {', '.join(map(repr, there)) or 'none'}"
        )
    return Excerpt(_recording_of(manager, rate, session, fields), spans, fields["label"])


def _timed(manager: Any, rate: int, fields: Mapping[str, str]) -> Excerpt:
    """A time of this session or of another one."""
    recording = _recording_of(manager, rate, fields.get("session", manager.session), fields)
    start = host.parse_time(fields.get("from", "0ms"), "from")
    end = host.parse_time(fields["to"], "to") if "to" in fields else recording.duration_ms
    if not 0 <= start < end:
        raise RequestError(f"from {start} ms to {end} ms is no time; from must be before to")
    return Excerpt(recording, ((start, end),))


def _recording_of(manager: Any, rate: int, session: str, fields: Mapping[str, str]) -> Recording:
    """The input `audio` of a session, or another of its streams."""
    if Path(session).name != session or "\\" in session:
        raise RequestError(f"{session!r} is no name of a session")
    entry = dict(_audio_entry(manager, "audio"))
    if "stream" in fields:
        entry["name"] = fields["stream"]
    if "role" in fields and "label" not in fields:
        entry["role"] = fields["role"]
    path = places.input_path(manager, entry, session)
    if path is None or (session != manager.session and path == places.input_path(manager, entry)):
        raise RequestError(f"the request does not say where the recording of session {session!r} is, only its own")
    return Recording.open(path, rate)


def _allowed_file(manager: Any, text: str) -> Path:
    """A file on the server that a request may read: below its data folder, or where `FILES` allows it.

    Raises:
        RequestError: it is not there, or may not be read.
    """
    data = database.data_folder(manager)
    given = Path(text.replace("\\", "/") if os.sep == "/" else text)
    dataset = str(manager.dataset)
    folders = [data / dataset / str(manager.session), data / dataset, data] if data else []
    path = next((folder / given for folder in folders if (folder / given).is_file()), given)
    allowed = os.environ.get(FILES, "")
    roots = [*([data] if data else []), *(Path(root) for root in allowed.split(os.pathsep) if root)]
    if allowed != "any" and not any(path.resolve().is_relative_to(root.resolve()) for root in roots):
        raise RequestError(
            f"{text} is not below the server's data folder ({data.resolve() if data else 'it has none'}); copy it "
            f"there, or let the person at the server name its folder in {FILES}"
        )
    return path
