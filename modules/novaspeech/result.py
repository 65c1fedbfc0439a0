"""What a module found in one recording, as arrays, tables and files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from novaspeech.arrays import BoolArray, FloatArray
from novaspeech.errors import OptionError, PackageError, RequestError
from novaspeech.inference.engine import Windows
from novaspeech.segments import Segment
from novaspeech.server import saving
from novaspeech.server.outputs import Output, OutputRequest
from novaspeech.server.results import build_output, scores_of
from novaspeech.server.session import Results, Session

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("ssi",)  # of `Result.save`


def files_for(name: str, outputs: Iterable[Output], folder: Path) -> list[Path]:
    """Where a recording's outputs are saved; `name` is the recording's.

    Raises:
        RequestError: a file's name would be too long.
    """
    files = [folder / f"{name}.{output.id}.{output.kind}" for output in outputs]
    for file in files:
        if saving.too_long(file):
            raise RequestError(f"the name of {file} is too long; give the recording or the folder a shorter one")
    return files


class Result(Mapping[str, "FloatArray | list[Segment]"]):
    """A module's outputs for one recording, by their ids.

    `result[id]` is (n,) float32 for a continuous annotation, NaN where there was no usable audio; (n, D) for a stream,
    zeros there; (D,) for a stream of the recording as a whole; a list of `Segment` for discrete and free annotations.

    Attributes:
        name: the recording's, without folder and ending.
    """

    def __init__(self, session: Session, results: Results, outputs: Sequence[Output]) -> None:
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
    def usable(self) -> BoolArray:
        """(n,) bool: which windows had usable audio."""
        found = (value.usable for value in self._results.values() if isinstance(value, Windows))
        return next(found, np.ones(self._session.grid.count, bool))

    def to_frame(self, name: str) -> pd.DataFrame:
        """One output as a table whose index is (file, start, end), as in audformat and audinterface.

        A continuous annotation has one column, a stream one for each value. Discrete and free annotations have a column
        of names and one of confidences.

        Raises:
            KeyError: there is no such output.
            PackageError: pandas is missing.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise PackageError("to_frame needs pandas: pip install novaspeech[frames]") from error
        value = self[name]
        if isinstance(value, list):
            times = np.array([(segment.start_ms, segment.end_ms) for segment in value], float).reshape(-1, 2) / 1000
            columns: dict[str, Any] = {name: [segment.name for segment in value]}
            columns["confidence"] = np.array([segment.confidence for segment in value], float)
        elif self._output(name).whole:
            times = np.array([[0, self._session.recording.duration_ms / 1000]])
            columns = {f"{name}-{index}": value[index : index + 1] for index in range(len(value))}
        else:
            times = self.times
            columns = {name: value}
            if value.ndim == 2:
                columns = {f"{name}-{index}": column for index, column in enumerate(value.T)}
        starts, ends = (pd.to_timedelta(column, unit="s") for column in times.T)
        files = [self._session.recording.name] * len(times)
        index = pd.MultiIndex.from_arrays([pd.Index(files, dtype=object), starts, ends], names=["file", "start", "end"])
        return pd.DataFrame(columns, index=index)

    def save(self, folder: str | Path, formats: Collection[str] = FORMATS) -> list[Path]:
        """Writes each output as NAME.ID.stream or NAME.ID.annotation: the same bytes that a server writes.

        An output appears whole or not at all. An earlier one is there until then.

        Args:
            folder: where to; made if need be.
            formats: "ssi", the servers' own.

        Returns:
            the files' paths, without those that end in "~" and lie beside them.

        Raises:
            OptionError: an unknown format.
            RequestError: a file's name is too long; said before any is written.
            OSError: a file cannot be written, such as on a full disk (`SavingError`).
        """
        for name in formats:
            if name not in FORMATS:
                raise OptionError(f"there is no format {name!r}; there are: {', '.join(FORMATS)}")
        folder = Path(folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        files = files_for(self.name, self._outputs.values(), folder)
        for output, file in zip(self._outputs.values(), files, strict=True):
            saving.save(build_output(OutputRequest.of_file(output), self._results[output.id], self._session, {}), file)
        return files

    def _output(self, name: str) -> Output:
        if name not in self._ids:
            raise KeyError(f"{name!r} was not asked for; there are: {', '.join(self)}")
        return self._outputs[self._ids[name]]
