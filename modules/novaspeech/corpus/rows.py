"""Which recordings a command means: files, folders, patterns, lists and manifests, on this machine or at URLs."""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from novaspeech.audio.recording import ENDINGS
from novaspeech.corpus.manifest import MANIFESTS, Span, listed_in
from novaspeech.corpus.store import is_url, opened
from novaspeech.errors import RequestError
from novaspeech.hooks import Log

_BYTES_PER_SECOND = 32_000  # of 16-bit sound at 16 kHz: makes sizes comparable with a manifest's durations
_MAGIC = re.compile(r"[*?[]")
_SHOWN = 4  # endings of files that a folder's search leaves out


@dataclass(frozen=True)
class Row:
    """A recording that is meant.

    Attributes:
        id: where its results go and what they are called, without endings: a path with "/", below --out a relative one.
        place: its file, an absolute path, or its URL.
        size: how long it will take in comparison with others: its seconds if a manifest says so, else guessed from its
            bytes; 0 if nobody knows.
        span: part of it that is meant, as a manifest says, begin and end in ms; None for all of it.
        channel: its channel that is meant, from 1 on; 0 if nobody said.
        file: the recording as tables name it: as somebody gave it, or as seen from a root.
        inputs: id of each further input that it has of its own → a file.
    """

    id: str
    place: str
    size: float = 0.0
    span: Span | None = None
    channel: int = 0
    file: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_part(self) -> bool:
        """Whether only a part of it is meant, of its time or its channels."""
        return bool(self.span or self.channel)

    @property
    def is_there(self) -> bool:
        """Whether there is a file, as far as that is known without asking for a URL."""
        return is_url(self.place) or Path(self.place).exists()

    @property
    def folder(self) -> str:
        """Folder of its results."""
        return posixpath.dirname(self.id)

    @property
    def name(self) -> str:
        """Name of its results."""
        return posixpath.basename(self.id)


def read_rows(entries: Sequence[str], log: Log, *, beside: bool = False) -> list[Row]:
    """The recordings that entries of a command name, each once, the longest first.

    Args:
        entries: files; folders, which are searched with all folders in them; patterns with `*`, `?`, `[…]` or `**`;
            URLs of these that fsspec knows; manifests, as `listed_in` takes them; `@FILE` for a text file with an entry
            a line, but for comments, which begin with "#".
        log: takes a line for each folder: what was left out in it.
        beside: whether results go beside each recording, and not into a tree like the one that it was found in.

    Raises:
        RequestError: an entry or a row of a manifest is of no use, or two recordings would give the same files.
        PackageError: a package for the URL's kind or for Parquet is missing.
    """
    rows: dict[tuple[str, Span | None, int], Row] = {}
    for entry in entries:
        for row in _of_entry(entry, log):
            one = row.place, row.span, row.channel
            if one not in rows:
                rows[one] = replace(row, id=_beside(row)) if beside else row
            elif entry.lower().endswith(MANIFESTS):
                raise RequestError(f"{row.place} is named twice, and no row says which part of it")
    return sorted(_told_apart(list(rows.values())), key=lambda row: (-row.size, row.id))


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """Rows with an id each: the endings of a.flac and a.mp3 go into both names, `a_flac` and `a_mp3`."""
    count = Counter(row.id for row in rows)
    by_id: dict[str, Row] = {}
    for row in rows:
        ending = posixpath.splitext(Path(row.place).as_posix())[1]
        one = replace(row, id=f"{row.id}_{ending[1:]}") if count[row.id] > 1 and ending else row
        if (other := by_id.setdefault(one.id, one)) is not one:
            raise RequestError(
                f"{other.place} and {one.place} would both write {row.id}.*; rename one, name ids in a manifest, or "
                f"run them apart"
            )
    return list(by_id.values())


def seen_from(rows: Sequence[Row], root: str) -> list[Row]:
    """Rows whose recordings tables name by their paths from a folder or URL on; RequestError for one elsewhere."""
    found = [replace(row, file=_seen_from(row.place, root)) for row in rows]
    if other := next((row for row in found if is_url(row.file) or row.file.startswith("..")), None):
        raise RequestError(f"{other.place} is not below --root {root}; name a folder that all recordings are in")
    return found


def _seen_from(place: str, root: str) -> str:
    """Path of a recording as seen from a folder or URL, "" for where we are; its place if there is none."""
    if is_url(place):
        return place.removeprefix(f"{root.rstrip('/')}/")
    try:
        return Path(os.path.relpath(place, Path(root).expanduser())).as_posix()
    except ValueError:  # on another drive of Windows
        return place


def part_of(rows: Sequence[Row], shard: str) -> list[Row]:
    """The I-th of N parts of rows that are sorted by size, so that parts take about as long; `shard` is "I/N"."""
    index, _, count = shard.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise RequestError(f"--shard is {shard!r}; it must be I/N with I from 1 to N, as 3/16")
    return list(rows[int(index) - 1 :: int(count)])


def _beside(row: Row) -> str:
    if is_url(row.place):
        raise RequestError(f"{row.place} is at a URL; say by --out where its results go")
    if row.is_part:  # its id tells it apart
        return Path(row.place).with_name(row.name).as_posix()
    return posixpath.splitext(Path(row.place).as_posix())[0]


def _of_entry(entry: str, log: Log, listed: str = "") -> Iterator[Row]:
    here = not is_url(entry)
    if here and entry.startswith("@") and not listed and not Path(entry).exists():
        for line in _lines(entry[1:]):
            yield from _of_entry(line, log, entry)
    elif entry.lower().endswith(MANIFESTS):
        for name, place, seconds, span, channel, given in listed_in(entry):
            yield Row(_checked(name, entry), place, seconds or _size_of(place), span, channel, given)
    else:
        files, root = opened(entry)
        is_relative = here and not Path(entry).expanduser().is_absolute()
        for name, path, size in _found(entry, files, root, log):
            place = str(Path(path)) if here else files.unstrip_protocol(path)
            yield Row(name, place, size / _BYTES_PER_SECOND, file=_seen_from(place, "") if is_relative else place)


def _lines(file: str) -> list[str]:
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise RequestError(f"the list {file} cannot be read ({why}); a text file in UTF-8 is needed") from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _found(entry: str, files: Any, root: str, log: Log) -> Iterator[tuple[str, str, float]]:
    """Id, place and bytes of a file; of the recordings below a folder; of what a pattern matches."""
    there = files.exists(root)
    if there and files.isdir(root):
        yield from _in_folder(entry, files, root, root, log)
    elif not there and (sign := _MAGIC.search(root)):
        fixed = root[: sign.start()].rpartition("/")[0]
        matches = sorted(files.glob(root, detail=True).items())
        if not matches:
            raise RequestError(f"nothing matches {entry}; {fixed} is where it was looked for")
        for path, about in matches:
            if _is_hidden(path, fixed) and "/." not in root[len(fixed) :]:
                continue
            if about["type"] != "directory":
                yield _id_of(path, fixed), path, about.get("size") or 0
            elif "**" not in root:  # which matches the files in its folders, too
                yield from _in_folder(path, files, path, fixed, log)
    elif there or not is_url(entry):  # what is missing here fails when it is its turn, and the others are done
        yield _id_of(root, posixpath.dirname(root)), root, files.info(root).get("size") or 0 if there else 0
    else:
        raise RequestError(f"there is no {entry}")


def _in_folder(entry: str, files: Any, folder: str, root: str, log: Log) -> Iterator[tuple[str, str, float]]:
    """The recordings in a folder and those in it, known by their names' endings; hidden ones are left out."""
    kept, others = 0, Counter[str]()
    for path, about in sorted(files.find(folder, detail=True).items()):
        ending = PurePosixPath(path).suffix.lower()
        if _is_hidden(path, folder):
            others["hidden"] += 1
        elif ending in ENDINGS:
            kept += 1
            yield _id_of(path, root), path, about.get("size") or 0
        else:
            others[ending or "without ending"] += 1
    if not kept:
        raise RequestError(f"{entry} holds no recordings; they are known by their endings, as .wav or .mp4")
    left = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    if left:
        shown = ", ".join(f"{number} {ending}" for ending, number in left[:_SHOWN])
        more = sum(number for _, number in left[_SHOWN:])
        log(f"{entry}: {kept} recordings; left out {shown}{f' and {more} others' if more else ''}")


def _is_hidden(path: str, root: str) -> bool:
    return "/." in f"/{posixpath.relpath(path, root)}"


def _id_of(path: str, root: str) -> str:
    return posixpath.splitext(posixpath.relpath(path, root))[0]


def _size_of(place: str) -> float:
    """Bytes of a file on this machine; 0 for a URL, where a question for each row would take too long."""
    return Path(place).stat().st_size / _BYTES_PER_SECOND if not is_url(place) and Path(place).is_file() else 0.0


def _checked(name: str, manifest: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise RequestError(f"{manifest} has the id {name!r}; a relative path is needed, as session1/anna")
    return str(PurePosixPath(name))
