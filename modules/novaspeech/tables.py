"""One table of the results of many recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from novaspeech.errors import NovaspeechError, RequestError, require
from novaspeech.result import Result

if TYPE_CHECKING:
    import pandas as pd


def table(
    results: Iterable[Result | NovaspeechError],
    name: str | Sequence[str] | None = None,
    *,
    summary: Sequence[str] = (),
    segments: str | Path | None = None,
) -> pd.DataFrame:
    """The results of recordings in one table, as `novaspeech run --table` writes it.

    >>> emotions = novaspeech.table(model(["a.wav", "b.wav"]))
    >>> turns = novaspeech.table(results, "arousal", summary=["mean", "std"], segments="turns")

    Args:
        results: as a model gives them for a list of recordings.
        name: as of `Result.to_frame`, or of `Result.summary`.
        summary: statistics, a row a recording; without any, a row a window or segment.
        segments: what a summary has a row for instead: a file or a folder, see `Result.summary`.

    Raises:
        NovaspeechError: the first one among the results.
        RequestError: there are no results, or segments without a summary.
        KeyError, PackageError: as of `Result.to_frame`.
    """
    with require("tables need pandas", "novaspeech[frames]"):
        import pandas
    if segments is not None and not summary:
        raise RequestError("segments are for a summary: name statistics, as summary=['mean', 'std']")
    frames = []
    for result in results:
        if isinstance(result, NovaspeechError):
            raise result
        frames.append(result.summary(summary, name, segments) if summary else result.to_frame(name, unit="s"))
    if not frames:
        raise RequestError("a table needs the result of a recording at least")
    return pandas.concat(frames, ignore_index=True)
