"""Where a request's inputs lie, and where its outputs go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from novaspeech.errors import RecordingError, RequestError
from novaspeech.server import database, host
from novaspeech.server.host import Description


def input_path(manager: Any, description: Description, session: str | None = None) -> Path | None:
    """The file of an input, without loading it; None where the host has only an array (url, request).

    Args:
        manager: the session's `SessionManager`.
        description: the request's entry.
        session: the name of another one whose file is wanted.

    Raises:
        RecordingError: the database knows no such stream, or the server no folder for its files.
        RequestError: the entry names no file.
    """
    origin, _, _ = host.describe(description)
    if origin == "db":
        return _database_path(manager, description, session or manager.session)
    if origin != "file":
        return None
    provider = host.module("data.provider.data_manager")
    if hasattr(provider, "resolve_file_uri"):
        return _resolve(manager, description, session)
    # NOVA-Server loads from below its folder for temporary files, and saves below its working directory.
    return Path(provider.path_utils.get_tmp_dir(), _resolve(manager, description, session))


def output_path(manager: Any, description: Description) -> Path | None:
    """The file that an output is saved to; None where it goes to the database or back with the request.

    Streams of the database are files of the server's. Of these, None if it has no folder for them.
    """
    origin, kind, _ = host.describe(description)
    if (origin, kind) == ("db", "stream"):
        folder = database.data_folder(manager)
        return _stored(folder, manager.dataset, manager.session, description, "stream") if folder else None
    return _resolve(manager, description) if origin == "file" else None


def target(manager: Any, description: Description) -> tuple[str, ...]:
    """What is stored under one name: "annotation", "stream" or "file", and where; with "" for what is not said."""
    origin, kind, _ = host.describe(description)
    if origin == "db":
        keys = ("scheme", "role", "annotator") if kind == "annotation" else ("name", "role")
        return (kind, *(f"{key} {description[key]}" if description.get(key) else "" for key in keys))
    path = output_path(manager, description)
    return ("file", str(path.resolve()) if path else "")


def replaced(output_id: str, what: str, target: tuple[str, ...]) -> RequestError:
    """The error of an output that would replace something else: another output, or an input."""
    remedy = {
        "annotation": "choose another scheme for one of them, or untick it",
        "stream": "give one of them another name, or untick it",
        "file": "give one of them another file",
    }[target[0]]
    return RequestError(f"output {output_id!r} would replace {what} ({', '.join(target[1:])}); {remedy}")


def refuse_replacing(manager: Any, description: Description) -> None:
    """Raises RequestError if an output would replace an input that is used: a person may have worked on it for days."""
    place = target(manager, description)
    for entry in manager.data_description:
        wanted = entry.get("type") == "output" and entry.get("active", True)
        if wanted and all(place) and target(manager, entry) == place:
            raise replaced(str(entry["id"]), f"input {description['id']!r}", place)


def input_array(manager: Any, description: Description) -> tuple[Any, int]:
    """Samples (n, channels) or (n,) and rate in Hz of an input that is no file, as the host loads it."""
    # A session manager that loads this entry only; `manager` keeps its own.
    part = type(manager)(manager.dataset, [description], manager.session, manager.source_context)
    part.load()
    data = part.input_data[description["id"]]
    return data.data, int(data.meta_data.sample_rate)


def _database_path(manager: Any, description: Description, session: str) -> Path:
    for key in ("name", "role"):
        if not description.get(key):
            raise RequestError(f"input {description.get('id')!r} needs a {key}; choose a stream and a role for it")
    name = description["name"]
    # The handler's own load() would read the header, too, of .wav, .mp3 and .mp4 only.
    document = database.find(manager, "Streams", name)
    if not document:
        raise RecordingError(f"the database has no stream {name!r} in dataset {manager.dataset!r}")
    folder = database.data_folder(manager)
    if folder is None:
        raise RecordingError("the server was started without a folder for its data (--data_dir)")
    return _stored(folder, manager.dataset, session, description, document["fileExt"])


def _stored(folder: Path, dataset: str, session: str, description: Description, ending: str) -> Path:
    """The file of one of the database's streams."""
    return Path(folder, dataset, session, f"{description['role']}.{description['name']}.{ending}")


def _resolve(manager: Any, description: Description, session: str | None = None) -> Path:
    provider = host.module("data.provider.data_manager")
    try:
        if hasattr(provider, "resolve_file_uri"):
            return Path(provider.resolve_file_uri(description, manager.dataset, session or manager.session))
        return Path(description["uri"])
    except (KeyError, ValueError, TypeError) as error:
        raise RequestError(f"entry {description.get('id')!r} of the request names no file: {error}") from error
