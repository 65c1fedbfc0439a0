"""The server's classes: those of discover_utils (DISCOVER) or nova_utils (NOVA-Server), whichever loaded us.

Nothing else in novaspeech imports either package.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
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
DiscreteAnnotation: Any = module("data.annotation").DiscreteAnnotation
DiscreteAnnotationScheme: Any = module("data.annotation").DiscreteAnnotationScheme
FreeAnnotation: Any = module("data.annotation").FreeAnnotation
FreeAnnotationScheme: Any = module("data.annotation").FreeAnnotationScheme

_this_thread = threading.local()  # .processor: weak reference to the processor of the job that runs in it


def defer_loading(processor: Any) -> None:
    """Keeps the host from loading the sessions' inputs of a job, as long as the job's processor lives.

    du-process loads every input of a session before the module sees it, although `DatasetIterator` would load it
    again when iterated: a whole recording as float64 (2.8 GB for an hour of 48 kHz stereo), from .wav, .mp3 and
    .mp4 only. Our modules read blocks from the file instead. A server runs each job in a thread of its own, and lets go
    of the processor when the job ends: other jobs, and later ones in the same thread, load as ever.
    """
    _this_thread.processor = weakref.ref(processor)
    iterator = module("data.provider.dataset_iterator").DatasetIterator
    if not hasattr(iterator.load, _MARK):
        iterator.load = _unless_deferred(iterator.load)


_MARK = "novaspeech_defers"


def _unless_deferred(load: Callable[[Any], None]) -> Callable[[Any], None]:
    def load_unless_deferred(self: Any) -> None:
        if getattr(_this_thread, "processor", _nobody)() is None:
            load(self)

    setattr(load_unless_deferred, _MARK, True)
    return load_unless_deferred


def _nobody() -> None:
    """A reference to a processor that is not there."""


def parse_time(value: object, name: str) -> int:
    """Milliseconds of a time as the host reads it: "40ms", "1.5s", 40 (ms), 1.5 (s).

    Args:
        name: name of the setting, for the message.

    Raises:
        RequestError: it is no time.
    """
    try:
        return int(module("utils.string_utils").parse_time_string_to_ms(value, suppress_warn=True))
    except (TypeError, ValueError):
        raise RequestError(f"{name} {value!r} is no time; write 40ms or 1.5s") from None


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
        description: the request's entry.

    Raises:
        RecordingError: the database knows no such stream, or the server no folder for its files.
        RequestError: the entry names no file.
    """
    origin, _, _ = describe(description)
    if origin == "db":
        return _database_path(manager, description)
    if origin != "file":
        return None
    provider = module("data.provider.data_manager")
    if hasattr(provider, "resolve_file_uri"):
        return _resolve(manager, description)
    # NOVA-Server loads from below its folder for temporary files, and saves below its working directory.
    return Path(provider.path_utils.get_tmp_dir(), _resolve(manager, description))


def output_path(manager: Any, description: Description) -> Path | None:
    """The file that an output is saved to; None where it goes to the database or back with the request."""
    return _resolve(manager, description) if describe(description)[0] == "file" else None


def input_array(manager: Any, description: Description) -> tuple[Any, int]:
    """Samples (n, channels) or (n,) and rate in Hz of an input that is no file, as the host loads it."""
    data = _load(manager, description).input_data[description["id"]]
    return data.data, int(data.meta_data.sample_rate)


def database_scheme(manager: Any, description: Description) -> Any:
    """The scheme of an annotation in the database: its name and, if it is discrete, its classes.

    Raises:
        RequestError: the database does not have it.
    """
    try:
        return _load(manager, description).output_data_templates[description["id"]].annotation_scheme
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise RequestError(
            f"output {description['id']!r}: the database gives no scheme {description.get('scheme')!r} for it ({error})"
        ) from error


def require(description: Description, key: str) -> str:
    """The value of a key that an entry must have.

    Raises:
        RequestError: it does not.
    """
    if not description.get(key):
        raise RequestError(f"entry {description.get('id')!r} of the request needs {key!r} ({description.get('src')})")
    return str(description[key])


def _database_path(manager: Any, description: Description) -> Path:
    database = module("data.handler.nova_db_handler")
    context = next(value for key, value in manager.source_context.items() if key.value == "db")
    handler = database.StreamHandler(**context)
    name, role = (require(description, key) for key in ("name", "role"))
    # The handler's own load() would read the header, too, of .wav, .mp3 and .mp4 only.
    document = handler.client[manager.dataset][database.STREAM_COLLECTION].find_one({"name": name})
    if not document:
        raise RecordingError(f"the database has no stream {name!r} in dataset {manager.dataset!r}")
    if not handler.data_dir:
        raise RecordingError("the server was started without a folder for its data (--data_dir)")
    return Path(handler.data_dir, manager.dataset, manager.session, f"{role}.{name}.{document['fileExt']}")


def _resolve(manager: Any, description: Description) -> Path:
    provider = module("data.provider.data_manager")
    try:
        if hasattr(provider, "resolve_file_uri"):
            return Path(provider.resolve_file_uri(description, manager.dataset, manager.session))
        return Path(description["uri"])
    except (KeyError, ValueError, TypeError) as error:
        raise RequestError(f"entry {description.get('id')!r} of the request names no file: {error}") from error


def _load(manager: Any, description: Description) -> Any:
    """A session manager that has loaded this entry only; `manager` keeps its own."""
    part = type(manager)(manager.dataset, [description], manager.session, manager.source_context)
    part.load()
    return part
