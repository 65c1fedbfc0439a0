"""The server's classes: those of discover_utils (DISCOVER) or nova_utils (NOVA-Server), whichever loaded us.

Nothing else in novaspeech imports either package.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from novaspeech.errors import RecordingError, RequestError

# A request's entry of "data": one input or output of a session.
Description = Mapping[str, Any]

_PACKAGES = ("discover_utils", "nova_utils")


def _find_package() -> str:
    running = [name for name in _PACKAGES if f"{name}.scripts.process" in sys.modules]
    installed = [name for name in _PACKAGES if importlib.util.find_spec(name)]
    for name in running + installed:
        return name
    raise ImportError("neither discover_utils nor nova_utils is installed; pip install hcai-discover-utils")


PACKAGE = _find_package()


def module(name: str) -> Any:
    """The host's module `name`, e.g. "data.stream"."""
    return importlib.import_module(f"{PACKAGE}.{name}")


# The host is not typed, hence Any.
Processor: Any = module("interfaces.server_module").Processor
SSIStream: Any = module("data.stream").SSIStream
ContinuousAnnotation: Any = module("data.annotation").ContinuousAnnotation
ContinuousAnnotationScheme: Any = module("data.annotation").ContinuousAnnotationScheme

_this_job = threading.local()


def defer_loading() -> None:
    """Keeps the host from loading the sessions' inputs of this job; call it when the job's processor is made.

    du-process loads every input of a session before the module sees it, although `DatasetIterator` would load it
    again when iterated: a whole recording as float64 (2.8 GB for an hour of 48 kHz stereo), from .wav, .mp3 and
    .mp4 only. Our modules read blocks from the file instead. A server runs each job in a thread of its own, so that
    what is said here for this thread holds for this job and leaves the modules of others alone.
    """
    _this_job.deferred = True
    iterator = module("data.provider.dataset_iterator").DatasetIterator
    if "load" not in vars(iterator):
        load = iterator.load

        def load_unless_deferred(self: Any) -> None:
            if not getattr(_this_job, "deferred", False):
                load(self)

        iterator.load = load_unless_deferred


def describe(description: Description) -> tuple[str, str, str]:
    """Origin (db, file, url, request), kind (stream, annotation, …) and subtype ("" if none) of an entry's `src`.

    Raises:
        RequestError: the host knows no such `src`.
    """
    try:
        origin, kind, subtype, _ = module("utils.request_utils").parse_src_tag(description)
    except (ValueError, KeyError):
        raise RequestError(
            f"entry {description.get('id')!r} of the request has src {description.get('src')!r}; "
            f"write for example file:stream:audio or db:annotation:continuous"
        ) from None
    return origin.value, kind.value, subtype.value if subtype else ""


def input_path(manager: Any, description: Description) -> Path | None:
    """The file of an input, without loading it; None where the host has only an array (url, request).

    Args:
        manager: the session's `SessionManager`.

    Raises:
        RecordingError: the database knows no such stream.
        RequestError: the entry names no file.
    """
    origin, _, _ = describe(description)
    if origin == "db":
        context = next(value for key, value in manager.source_context.items() if key.value == "db")
        handler = module("data.handler.nova_db_handler").StreamHandler(**context)
        names = {key: description.get(key) for key in ("role", "name")}
        try:
            stream = handler.load(dataset=manager.dataset, session=manager.session, header_only=True, **names)
        except FileNotFoundError as error:
            raise RecordingError(f"{error} (role {names['role']!r}, session {manager.session!r})") from error
        return Path(stream.meta_data.file_path)
    if origin == "file":
        return _file_path(manager, description)
    return None


def input_array(manager: Any, description: Description) -> tuple[Any, int]:
    """Samples (n, channels) or (n,) and rate in Hz of an input that is no file, as the host loads it."""
    data = _load(manager, [description]).input_data[description["id"]]
    return data.data, int(data.meta_data.sample_rate)


def output_path(manager: Any, description: Description) -> Path | None:
    """The file that an output is saved to; None where it goes to the database or back with the request."""
    return _file_path(manager, description) if describe(description)[0] == "file" else None


def output_templates(manager: Any, descriptions: Sequence[Description]) -> dict[str, Any]:
    """The host's empty object for each output: role, session, dataset, name, and an annotation's scheme.

    A file is described as if it were new: what an earlier job left there, perhaps killed half-way, has no say.
    """
    new = []
    for description in descriptions:
        path = output_path(manager, description)
        if path is not None:
            entry = {key: value for key, value in description.items() if key != "uri_template"}
            new.append({**entry, "uri": str(path.with_name(f".novaspeech-new{path.suffix}"))})
        else:
            new.append(dict(description))
    return dict(_load(manager, new).output_data_templates)


def _file_path(manager: Any, description: Description) -> Path:
    provider = module("data.provider.data_manager")
    try:
        if hasattr(provider, "resolve_file_uri"):
            return Path(provider.resolve_file_uri(description, manager.dataset, manager.session))
        # NOVA-Server, and DISCOVER before 1.1: relative to the server's folder for temporary files.
        return Path(provider.path_utils.get_tmp_dir(), description["uri"])
    except (KeyError, ValueError) as error:
        raise RequestError(f"entry {description.get('id')!r} of the request names no file: {error}") from error


def _load(manager: Any, descriptions: Sequence[Description]) -> Any:
    """A session manager that has loaded these entries only; `manager` keeps its own."""
    part = type(manager)(manager.dataset, list(descriptions), manager.session, manager.source_context)
    part.load()
    return part
