"""The errors of novaspeech: each says what is wrong, where, and what would be right, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_QUOTE = 200  # characters of a foreign value that a message repeats
LONGEST_LINE = 500  # characters of another library's error that a message repeats


class NovaspeechError(Exception):
    """Base of every error that novaspeech raises on purpose."""


class OptionError(NovaspeechError, ValueError):
    """An option of the job is unknown, of the wrong type or out of range."""


class RequestError(NovaspeechError, ValueError):
    """The request names inputs, outputs or windows that cannot be served."""


class RecordingError(NovaspeechError, OSError):
    """A recording cannot be read."""


class WeightsError(NovaspeechError, OSError):
    """A model's files cannot be had, or are those of another model."""


class UnfetchedError(WeightsError):
    """A model's files are not on this machine, and cannot be fetched now; what is said ends with the cache's folder."""


class ModelError(NovaspeechError, RuntimeError):
    """A model computed something that cannot be used."""


class SavingError(NovaspeechError, OSError):
    """An output cannot be written; what was there before still is."""


class PackageError(NovaspeechError, ImportError):
    """A package that an extra of novaspeech brings is not installed."""


@contextmanager
def naming(place: str, remedy: str = "") -> Iterator[None]:
    """Puts a place before what our errors say inside, such as a session's name, and a remedy behind it."""
    try:
        yield
    except NovaspeechError as error:
        error.args = (f"{place}: {error}{remedy}",)
        raise


@contextmanager
def require(use: str, package: str) -> Iterator[None]:
    """Guards the import, inside, of what not everybody has; PackageError names the use and the package to install."""
    try:
        yield
    except ImportError as error:
        raise PackageError(f"{use}: pip install {package}") from error


def first_line(error: BaseException) -> str:
    """The first line of another library's error, cut at `LONGEST_LINE` characters."""
    return shortened(next(iter(str(error).strip().splitlines()), type(error).__name__), LONGEST_LINE)


def shortened(text: str, most: int = LONGEST_QUOTE) -> str:
    """Another program's words in one line, cut at `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"


def quoted(value: object) -> str:
    """A foreign value for a message: its repr on one line, cut at `LONGEST_QUOTE` characters."""
    return shortened(repr(value))
