"""Recordings that a command names: files, folders, patterns, lists of them."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from novaspeech.audio.recording import ENDINGS
from novaspeech.errors import RequestError
from novaspeech.hooks import Log

_SHOWN = 4  # endings of files that a folder's search leaves out


@dataclass(frozen=True)
class Found:
    """A recording that was named.

    Attributes:
        file: where it is.
        below: the folder of the tree that it was found in, relative to the tree's root; for what was named itself ".".
    """

    file: Path
    below: Path = Path()


def find_recordings(entries: Sequence[str], log: Log) -> list[Found]:
    """The recordings that entries of a command name, each once, in their order.

    Args:
        entries: files; folders, which are searched with all folders in them; patterns with `*`, `?`, `[…]` or `**`,
            for shells that hand them on; `@FILE` for a text file with an entry a line.
        log: takes a line for each folder: what was left out in it.

    Raises:
        RequestError: a list cannot be read, a pattern or a folder holds nothing.
    """
    found: dict[Path, Found] = {}
    for entry in entries:
        for recording in _of_entry(entry, log):
            found.setdefault(Path(os.path.normpath(recording.file.absolute())), recording)
    return list(found.values())


def _of_entry(entry: str, log: Log, listed: str = "") -> Iterator[Found]:
    path = Path(entry).expanduser()
    if entry.startswith("@") and not listed and not path.exists():
        for line in _lines(entry[1:]):
            yield from _of_entry(line, log, entry)
    elif path.is_dir():
        yield from _in_folder(path, log)
    elif glob.has_magic(entry) and not path.exists():
        yield from _matching(str(path), log)
    else:
        yield Found(path)


def _lines(file: str) -> list[str]:
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the list {file} cannot be read ({error}); a text file in UTF-8 is needed") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _matching(pattern: str, log: Log) -> Iterator[Found]:
    """What a pattern matches, below its part without wildcards; folders that it names are searched."""
    matches = sorted(map(Path, glob.iglob(pattern, recursive=True)))  # noqa: PTH207 - a pattern may begin with a drive or /
    parts = Path(pattern).parts
    root = Path(*parts[: next(number for number, part in enumerate(parts) if glob.has_magic(part))])
    if not matches:
        raise RequestError(f"nothing matches {pattern}; {root} is where it was looked for")
    for match in matches:
        if match.is_file():
            yield Found(match, match.parent.relative_to(root))
        elif "**" not in pattern:  # which matches the files in its folders, too
            below = match.relative_to(root)
            yield from (Found(one.file, below / one.below) for one in _in_folder(match, log))


def _in_folder(folder: Path, log: Log) -> Iterator[Found]:
    """The recordings in a folder and those in it, known by their names' endings; hidden ones are left out."""
    count, others = 0, Counter[str]()
    for place, folders, files in os.walk(folder):
        others["hidden"] += sum(name.startswith(".") for name in [*folders, *files])
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            file = Path(place, name)
            if file.suffix.lower() in ENDINGS:
                count += 1
                yield Found(file, file.parent.relative_to(folder))
            else:
                others[file.suffix.lower() or "without ending"] += 1
    if not count:
        raise RequestError(f"{folder} holds no recordings; they are known by their endings, as .wav or .mp4")
    left = sorted((+others).items(), key=lambda item: (-item[1], item[0]))
    if left:
        shown = ", ".join(f"{number} {ending}" for ending, number in left[:_SHOWN])
        more = sum(number for _, number in left[_SHOWN:])
        log(f"{folder}: {count} recordings; left out {shown}{f' and {more} others' if more else ''}")
