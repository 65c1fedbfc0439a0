"""Results of a module on one recording, as arrays, tables and files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.errors import RequestError
from novaspeech.formats.annotated import Annotated
from novaspeech.formats.files import NPY, SSI, file_names
from novaspeech.formats.given import GivenSegments
from novaspeech.formats.places import NO_PLACE, files_for, in_the_way, kept_of, kind_of, save_tracks
from novaspeech.formats.ssi import save_output
from novaspeech.formats.summary import Heard, check_statistics, summarised
from novaspeech.formats.tables import Rows, frame_of, table
from novaspeech.formats.track import Track, Tracks
from novaspeech.inference.engine import Windows
from novaspeech.module.output import Output
from novaspeech.module.results import build_output, scores_of
from novaspeech.module.session import Results, Session, Value
from novaspeech.segments import Segment

if TYPE_CHECKING:
    import pandas as pd


class Result(Mapping[str, "FloatArray | list[Segment]"]):
    """A module's outputs for one recording, by their ids.

    `result[id]` is (n,) float32 for a continuous annotation, NaN where there was no usable audio; (n, D) for a stream,
    zeros there; (D,) for a stream of the recording as a whole; a list of `Segment` for discrete and free annotations.

    Attributes:
        name: the recording's, without folder and ending.
        file: the recording as tables name it: its path as it was given, else its name.
    """

    def __init__(self, module: str, session: Session, results: Results, *, named: bool) -> None:
        outputs = [request.output for request in session.requests]
        self.name = session.name
        self.file = str(session.recording.path or self.name)
        self._module, self._named = module, named
        self._session = session
        self._start_ms = session.recording.start_ms
        self._results = {name: self._moved(value) for name, value in results.items()}
        self._outputs = {output.id: output for output in outputs}
        self._ids = {name: output.id for output in outputs for name in (output.id, *output.aliases)}

    def _moved(self, value: Value) -> Value:
        """A value on its file's time line, where the recording is a part of one."""
        if not isinstance(value, list) or not self._start_ms:
            return value
        return [
            replace(one, start_ms=one.start_ms + self._start_ms, end_ms=one.end_ms + self._start_ms) for one in value
        ]

    def __getitem__(self, name: str) -> FloatArray | list[Segment]:
        output = self._output(name)
        value = self._results[output.id]
        if not isinstance(value, Windows):
            return value
        return scores_of(value, output) if output.kind == "annotation" else value.values

    def __iter__(self) -> Iterator[str]:
        return iter(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __repr__(self) -> str:
        return f"<novaspeech result of {self.name}: {', '.join(self)}; {self._session.grid}>"

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """(n, 2) float64: start and end of each window's frame, in seconds."""
        starts = self._start_ms + np.arange(self._session.grid.count) * self._session.grid.stride_ms
        return np.stack([starts, starts + self._session.grid.frame_ms], axis=1) / 1000

    @property
    def rate(self) -> float:
        """Windows per second."""
        return 1000 / self._session.grid.stride_ms

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self._session.recording.duration_ms / 1000

    @property
    def usable(self) -> BoolArray:
        """(n,) bool: which windows had usable audio."""
        found = (value.usable for value in self._results.values() if isinstance(value, Windows))
        return next(found, np.ones(self._session.grid.count, bool))

    @property
    def silent(self) -> BoolArray:
        """(n,) bool: windows whose frame is digital silence, or below -90 dBFS, which no microphone reaches."""
        return self._session.silent

    def tracks(self) -> Tracks:
        """The outputs apart from who computed them, for `novaspeech.formats`."""
        found = tuple(map(self._track, self._outputs.values()))
        end = self._start_ms / 1000 + self.seconds
        return Tracks(self.name, self._session.recording.path, end, found, file=self.file)

    def _track(self, output: Output) -> Track:
        value = self[output.id]
        if isinstance(value, list):
            classes = output.classes or self._session.classes.get(output.id, ())
            return Track.of_segments(output.id, value, classes, self._module)
        times = self._start_ms / 1000 + np.array([[0, self.seconds]]) if output.whole else self.times
        values = value[None] if output.whole else value
        return Track(
            output.id,
            kind_of(output),
            times,
            values,
            low=output.low,
            high=output.high,
            whole=output.whole,
            module=self._module,
            named=self._named,
        )

    def to_frame(self, name: str | Sequence[str] | None = None, unit: str = "") -> pd.DataFrame:
        """Outputs as a table, a row a window or segment.

        A continuous annotation has one column, a stream one for each value. Discrete and free annotations have the
        columns `label` and `confidence`.

        Args:
            name: an output, or several continuous annotations, which stand beside each other; None takes all of them.
            unit: left out, the index is (file, start, end) with timedeltas, as in audformat and audinterface; "s" makes
                columns of them, `start` and `end` in seconds.

        Raises:
            KeyError: there is no such output.
            RequestError: several outputs that are not all continuous annotations, or another unit.
            PackageError: pandas is missing.
        """
        names = [name] if isinstance(name, str) else name
        outputs = self._outputs.values() if names is None else map(self._output, names)
        tracks = [self._track(output) for output in outputs]
        if names is None and len(tracks) > 1:
            tracks = [track for track in tracks if track.kind == "scores"]
        if unit not in ("", "s") or not tracks or (len(tracks) > 1 and any(one.kind != "scores" for one in tracks)):
            raise RequestError(
                f"a table holds continuous annotations, or one other output, in the unit 's' or none; there are: "
                f"{', '.join(self)}"
            )
        return table(tracks, self.file, unit)

    def summary(
        self,
        statistics: Sequence[str] = ("mean",),
        name: str | Sequence[str] | None = None,
        segments: str | Path | None = None,
    ) -> pd.DataFrame:
        """Statistics of scores and vectors: a row for the recording, or for each of given segments.

        The columns are `file`, `start` and `end` in seconds; `tier`, `speaker` and `label` of segments; `windows`, how
        many had usable audio; `silent`, their share without sound; then `arousal_mean`, `embedding-0_mean` and so on,
        NaN where nothing counts. Vectors count where there is sound; one of the recording as a whole stays as it is.

        Args:
            statistics: of "mean", "std" (of a sample, as R's sd), "min", "max", and percentiles as "p10".
            name: an output or several; None takes all that have scores or vectors.
            segments: a TextGrid, EAF or table, or a folder of them, see docs/study.md.

        Raises:
            KeyError: there is no such output.
            RequestError: no such statistic, no output that has any, or segments that cannot be read.
            PackageError: pandas is missing.
        """
        check_statistics(statistics)
        names = [name] if isinstance(name, str) else name
        given = GivenSegments(segments).of(self.file, self.file, self.name) if segments is not None else None
        return frame_of(self.file, *self.summarised(statistics, names, given), "s")

    def summarised(
        self, statistics: Sequence[str], names: Iterable[str] | None, segments: Sequence[Annotated] | None
    ) -> Rows:
        """Times and columns of a summary, see `novaspeech.formats.summary`."""
        tracks = [self._track(self._output(name)) for name in (self if names is None else names)]
        if not (kept := [track for track in tracks if track.kind != "segments"]):
            raise RequestError(
                f"a summary has statistics of scores and vectors; of these there are none: {', '.join(self)}"
            )
        start = self._start_ms / 1000
        heard = Heard(start, start + self.seconds, self.times, self.usable, self.silent)
        return summarised(kept, heard, statistics, segments)

    def save(
        self, folder: str | Path, formats: Collection[str] = (SSI,), dtype: str = "float32", *, overwrite: bool = False
    ) -> list[Path]:
        """Writes the outputs as files, named as docs/formats.md says: NAME.MODULE.ID.ENDING, NAME.TextGrid, NAME.eaf.

        What belongs together appears whole or not at all. A format leaves out what it cannot hold; csv holds streams
        only if they were asked for by their names. An earlier TextGrid or EAF keeps its other tiers.

        Args:
            folder: where to; made if need be.
            dtype: of npy: "float32", or half of it, "float16".
            overwrite: replaces files, and tiers of the outputs' names, that are there.

        Returns:
            the files' paths, without those that end in "~" and lie beside them.

        Raises:
            OptionError: an unknown format.
            RequestError: a format holds none of the outputs, a name is too long, a number too large for float16, or
                something is there already.
            PackageError: what writes a format is missing.
            OSError: a file cannot be written, such as on a full disk (`SavingError`).
        """
        folder = Path(folder).expanduser()
        kept = kept_of(self._module, self._outputs.values(), named=self._named)
        files = files_for(self.name, kept, folder, formats)
        if not overwrite and (there := in_the_way(files, kept)):
            raise RequestError(
                f"{there[0]} is there already; replace it (overwrite=True, --overwrite), or take another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        tracks = self.tracks() if set(formats) != {SSI} else None
        for form in dict.fromkeys(formats):
            if form == SSI:
                self._save_ssi(folder)
            elif tracks:
                save_tracks(tracks.rounded(dtype) if form == NPY else tracks, form, folder)
        return files

    def _save_ssi(self, folder: Path) -> None:
        if self._start_ms and any(isinstance(self._results[one], Windows) for one in self._outputs):
            raise RequestError(f"{self.name}: {NO_PLACE}")
        for request in self._session.requests:
            built = build_output(request, self._results[request.output.id], self._session)
            [name] = file_names(self.name, kept_of(self._module, [request.output], named=True), SSI)
            save_output(built, folder / name)

    def _output(self, name: str) -> Output:
        if name not in self._ids:
            raise KeyError(f"{name!r} was not asked for; there are: {', '.join(self)}")
        return self._outputs[self._ids[name]]
