"""Results of a module on one recording, as arrays, tables and files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from novaspeech import saving
from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.errors import RequestError
from novaspeech.formats.files import NPY, SSI, check_formats, file_names, write_files
from novaspeech.formats.ssi import save_output
from novaspeech.formats.tables import table
from novaspeech.formats.track import Kind, Track, Tracks
from novaspeech.inference.engine import Windows
from novaspeech.module.output import Output
from novaspeech.module.results import build_output, scores_of
from novaspeech.module.session import Results, Session
from novaspeech.segments import Segment

if TYPE_CHECKING:
    import pandas as pd


def kind_of(output: Output) -> Kind:
    """Kind of file that holds an output."""
    if output.kind == "stream":
        return "vectors"
    return "scores" if output.subtype == "continuous" else "segments"


def files_for(name: str, outputs: Iterable[Output], folder: Path, formats: Collection[str] = (SSI,)) -> list[Path]:
    """Paths of a recording's outputs; OptionError or RequestError for formats or names that cannot be."""
    kinds = {output.id: kind_of(output) for output in outputs}
    check_formats(formats, kinds)
    names = [file for form in formats for file in file_names(name, kinds, form)]
    files = [folder / file for file in dict.fromkeys(names)]  # two formats may share a file
    for file in files:
        if saving.too_long(file):
            raise RequestError(f"the name of {file} is too long; give the recording or the folder a shorter one")
    return files


def save_tracks(tracks: Tracks, form: str, folder: Path) -> None:
    """Writes a recording's outputs in a format that is not "ssi"; all of its files appear, or none."""
    first = folder / file_names(tracks.name, tracks.kinds, form)[0]
    with saving.whole(first) as partial:
        write_files(tracks, form, partial.parent, folder)


class Result(Mapping[str, "FloatArray | list[Segment]"]):
    """A module's outputs for one recording, by their ids.

    `result[id]` is (n,) float32 for a continuous annotation, NaN where there was no usable audio; (n, D) for a stream,
    zeros there; (D,) for a stream of the recording as a whole; a list of `Segment` for discrete and free annotations.

    Attributes:
        name: the recording's, without folder and ending.
    """

    def __init__(self, session: Session, results: Results) -> None:
        outputs = [request.output for request in session.requests]
        self.name = session.name
        self._session = session
        self._results = results
        self._outputs = {output.id: output for output in outputs}
        self._ids = {name: output.id for output in outputs for name in (output.id, *output.aliases)}

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
        starts = np.arange(self._session.grid.count) * self._session.grid.stride_ms
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
        return Tracks(self.name, self._session.recording.path, self.seconds, found)

    def _track(self, output: Output) -> Track:
        value = self[output.id]
        if isinstance(value, list):
            return Track.of_segments(output.id, value, output.classes or self._session.classes.get(output.id, ()))
        times = np.array([[0, self.seconds]]) if output.whole else self.times
        values = value[None] if output.whole else value
        return Track(output.id, kind_of(output), times, values, low=output.low, high=output.high)

    def to_frame(self, name: str) -> pd.DataFrame:
        """One output as a table whose index is (file, start, end), as in audformat and audinterface.

        A continuous annotation has one column, a stream one for each value. Discrete and free annotations have a column
        of names and one of confidences.

        Raises:
            KeyError: there is no such output.
            PackageError: pandas is missing.
        """
        return table(self._track(self._output(name)), str(self._session.recording.path or self.name))

    def save(self, folder: str | Path, formats: Collection[str] = (SSI,), dtype: str = "float32") -> list[Path]:
        """Writes the outputs as files.

        | format | files | holds |
        |---|---|---|
        | ssi | NAME.ID.stream, NAME.ID.annotation, data in NAME.ID.stream~: the same bytes that a server writes | all |
        | csv, parquet | NAME.ID.csv, a table as `to_frame` gives it | all |
        | npz | NAME.ID.npz, arrays for NumPy | all |
        | npy | NAME.ID.npy, one array for NumPy, which can be read in part | scores; streams |
        | textgrid | NAME.TextGrid for Praat, a tier for each output; NAME.scores.csv | segments; scores |
        | eaf | NAME.eaf for ELAN, the same; NAME_tsconf.xml, which shows ELAN the scores | segments; scores |
        | srt, vtt | NAME.ID.srt, subtitles | segments |

        What belongs together appears whole or not at all. A format leaves out what it cannot hold.

        Args:
            folder: where to; made if need be.
            dtype: of npy: "float32", or half of it, "float16".

        Returns:
            the files' paths, without those that end in "~" and lie beside them.

        Raises:
            OptionError: an unknown format.
            RequestError: a format holds none of the outputs, a name is too long, or a number too large for float16.
            PackageError: what writes a format is missing.
            OSError: a file cannot be written, such as on a full disk (`SavingError`).
        """
        folder = Path(folder).expanduser()
        files = files_for(self.name, self._outputs.values(), folder, formats)
        folder.mkdir(parents=True, exist_ok=True)
        tracks = self.tracks() if set(formats) != {SSI} else None
        for form in dict.fromkeys(formats):
            if form == SSI:
                for request in self._session.requests:
                    built = build_output(request, self._results[request.output.id], self._session)
                    save_output(built, folder / f"{self.name}.{request.output.id}.{request.output.kind}")
            elif tracks:
                save_tracks(tracks.rounded(dtype) if form == NPY else tracks, form, folder)
        return files

    def _output(self, name: str) -> Output:
        if name not in self._ids:
            raise KeyError(f"{name!r} was not asked for; there are: {', '.join(self)}")
        return self._outputs[self._ids[name]]
