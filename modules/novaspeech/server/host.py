"""The server's classes for jobs; they take half a second to import."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from novaspeech import saving
from novaspeech.errors import RequestError, quoted
from novaspeech.segments import Segment
from novaspeech.server.package import module
from novaspeech.times import milliseconds

_Data = TypeVar("_Data")

# A request's entry of "data": one input or output of a session.
Description = Mapping[str, Any]

# The host is not typed, hence Any.
Processor: Any = module("interfaces.server_module").Processor
DatasetIterator: Any = module("data.provider.dataset_iterator").DatasetIterator
FileHandler: Any = module("data.handler.file_handler").FileHandler
SSIStream: Any = module("data.stream").SSIStream
ContinuousAnnotation: Any = module("data.annotation").ContinuousAnnotation
ContinuousAnnotationScheme: Any = module("data.annotation").ContinuousAnnotationScheme
DiscreteAnnotation: Any = module("data.annotation").DiscreteAnnotation
DiscreteAnnotationScheme: Any = module("data.annotation").DiscreteAnnotationScheme
FreeAnnotation: Any = module("data.annotation").FreeAnnotation
FreeAnnotationScheme: Any = module("data.annotation").FreeAnnotationScheme


class FinalAnnotation(DiscreteAnnotation):  # type: ignore[misc]
    """A discrete annotation that keeps the data it was made with.

    The servers merge close segments and delete short ones where a request says `anno_min_gap` and `anno_min_dur`, and
    NOVA says so without being asked. Our modules smooth by themselves: a keyword is short, and may be said twice in a
    second.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "data" or getattr(self, "_data", None) is None:
            super().__setattr__(name, value)


_SAVED_WHOLE = "novaspeech_saves_whole"  # mark on what the host saves whole or not at all
_this_thread = threading.local()  # .processor: weak reference to the processor of the job that runs in it


def defer_loading(processor: Any) -> None:
    """Keeps the host from loading the sessions' inputs of a job, as long as the job's processor lives.

    du-process loads every input of a session before the module sees it, although `DatasetIterator` would load it
    again when iterated: a whole recording as float64 (2.8 GB for an hour of 48 kHz stereo), from .wav, .mp3 and
    .mp4 only. Our modules read blocks from the file instead. A server runs each job in a thread of its own, and lets go
    of the processor when the job ends: other jobs, and later ones in the same thread, load as ever.
    """
    _this_thread.processor = weakref.ref(processor)


def saved_whole(data: _Data) -> _Data:
    """The same object of the host's, which the host's file handler from now on saves whole or not at all."""
    setattr(data, _SAVED_WHOLE, True)
    return data


def _load_unless_deferred(self: Any) -> None:
    processor = getattr(_this_thread, "processor", None)
    if processor is None or processor() is None:
        _load(self)


def _save_whole_if_marked(self: Any, data: Any, fp: Any, overwrite: bool = True, *args: Any, **kwargs: Any) -> Any:
    # Not to overwrite is for the host to see to, and there is nothing that could be lost.
    if not getattr(data, _SAVED_WHOLE, False) or not overwrite:
        return _save_in_place(self, data, fp, overwrite, *args, **kwargs)
    with saving.whole(Path(fp)) as partial:
        saved = _save_in_place(self, data, partial, overwrite, *args, **kwargs)
        if isinstance(data, SSIStream):  # NumPy does not look whether the last block fits
            written, wanted = partial.with_name(f"{partial.name}~").stat().st_size, data.data.nbytes
            if written != wanted:
                raise OSError(f"{written} of {wanted} bytes written")
    return saved


# The host is patched once in a process. Other modules' jobs load and save as ever: theirs bear no mark of ours.
_load, DatasetIterator.load = DatasetIterator.load, _load_unless_deferred
_save_in_place, FileHandler.save = FileHandler.save, _save_whole_if_marked


def parse_time(value: object, name: str) -> int:
    """Milliseconds of a time as the host reads it: "40ms", "1.5s", 40 (ms), 1.5 (s); `name` is the setting's.

    The only place where a whole number means milliseconds: servers and NOVA send it so. "1:05" is ours.
    """
    if isinstance(value, str) and ":" in value:
        return milliseconds(value, name)
    try:
        return int(module("utils.string_utils").parse_time_string_to_ms(value, suppress_warn=True))
    except (TypeError, ValueError, OverflowError):  # of infinity
        raise RequestError(f"{name} {quoted(value)} is no time; write 40ms or 1.5s") from None


def describe(description: Description) -> tuple[str, str, str]:
    """Origin (db, file, url, request), kind (stream, annotation, …) and subtype ("" if none) of an entry's `src`."""
    try:
        origin, kind, subtype, _ = module("utils.request_utils").parse_src_tag(description)
    except (ValueError, KeyError):
        raise RequestError(
            f"entry {description.get('id')!r} of the request has src {description.get('src')!r}; "
            f"write for example file:stream:audio or db:annotation:continuous"
        ) from None
    return origin.value, kind.value, subtype.value if subtype else ""


def file_path(description: Description, dataset: str, session: str) -> Path:
    """The file that an entry of the origin "file" names; RequestError if it names none."""
    provider = module("data.provider.data_manager")
    try:
        if hasattr(provider, "resolve_file_uri"):
            return Path(provider.resolve_file_uri(description, dataset, session))
        # NOVA-Server loads from below its folder for temporary files, and saves below its working directory.
        folder = provider.path_utils.get_tmp_dir() if description.get("type") == "input" else ""
        return Path(folder, description["uri"])
    except (KeyError, ValueError, TypeError) as error:
        raise RequestError(f"entry {description.get('id')!r} of the request names no file: {error}") from error


def segments_of(annotation: Any, name: str) -> list[Segment]:
    """The segments of a discrete or free annotation of the host; RequestError, with this name, if it is continuous."""
    rows: Any = np.atleast_1d(annotation.data) if annotation.data is not None else []
    if isinstance(annotation, FreeAnnotation):
        texts = [str(row["name"]) for row in rows]
    elif isinstance(annotation, DiscreteAnnotation):
        classes = {int(key): str(value["name"]) for key, value in annotation.annotation_scheme.classes.items()}
        texts = [classes.get(int(row["id"]), str(row["id"])) for row in rows]
    else:
        raise RequestError(f"{name} is continuous; one with segments is needed, discrete or free")
    return [
        Segment(int(row["from"]), int(row["to"]), text, float(row["conf"]))
        for row, text in zip(rows, texts, strict=True)
    ]
